//! The samples of the durability audit in the history file.

use std::{sync::Arc, time::Duration};

use rusqlite::{Connection, params};

use super::{
    Store,
    file::Unsaved,
    tables::{decoded, id, moment},
};
use crate::{
    clock::{ms, unix_ms},
    kafka::BrokerId,
    probe::durability::{Keep, Sample},
};

const PUT: &str = "REPLACE INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const GET: &str = "SELECT topic_id, partition, log_offset, run, sequence, checksum, acknowledged_ms, leader, leader_epoch, checked_ms
    FROM sample WHERE cluster = ?1 AND topic = ?2 ORDER BY acknowledged_ms";

/// The samples of one cluster in the history file.
pub struct KeptSamples {
    store: Arc<Store>,
    cluster: String,
}

impl KeptSamples {
    /// The samples of this cluster.
    pub fn new(store: Arc<Store>, cluster: &str) -> Self {
        Self { store, cluster: cluster.to_owned() }
    }

    fn get(&self, topic: &str) -> rusqlite::Result<Vec<Sample>> {
        let mut file = self.store.file();
        let file: &Connection = file.connection()?;
        let mut rows = file.prepare(GET)?;
        let rows = rows.query_map([&self.cluster, topic], |row| {
            Ok(Sample {
                topic_id: id(row.get(0)?),
                partition: row.get(1)?,
                offset: row.get(2)?,
                run: row.get::<_, i64>(3)?.cast_unsigned(),
                sequence: row.get::<_, i64>(4)?.cast_unsigned(),
                checksum: row.get(5)?,
                acknowledged: moment(row.get(6)?),
                leader: row.get::<_, Option<i32>>(7)?.map(BrokerId),
                leader_epoch: row.get(8)?,
                checked: Duration::from_millis(u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0)),
            })
        })?;
        decoded(rows)
    }

    fn put(&self, topic: &str, samples: &[Sample]) -> Result<(), Unsaved> {
        let mut file = self.store.file();
        // A file that took the place of the open one gets all samples, as any other file.
        file.notice()?;
        let change = file.connection()?.transaction()?;
        change.execute("DELETE FROM sample WHERE cluster = ?1", [&self.cluster])?;
        let mut put = change.prepare(PUT)?;
        for sample in samples {
            let topic_id = sample.topic_id.map(|id| id.0.to_be_bytes());
            put.execute(params![
                self.cluster,
                topic,
                topic_id.as_ref().map(|id| &id[..]),
                sample.partition,
                sample.offset,
                sample.run.cast_signed(),
                sample.sequence.cast_signed(),
                sample.checksum,
                unix_ms(sample.acknowledged),
                sample.leader.map(|leader| leader.0),
                sample.leader_epoch,
                ms(sample.checked)
            ])?;
        }
        drop(put);
        Ok(change.commit()?)
    }
}

impl Keep for KeptSamples {
    fn load(&self, topic: &str) -> Result<Vec<Sample>, String> {
        self.get(topic).map_err(|error| error.to_string())
    }

    fn save(&self, topic: &str, samples: &[Sample]) -> Result<(), String> {
        self.put(topic, samples).map_err(|unsaved| match unsaved {
            Unsaved::Replaced(_) => unsaved.kind().to_owned(),
            Unsaved::Failed(_, words) => words,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::kafka::TopicId;

    fn sample(sequence: u64) -> Sample {
        Sample {
            topic_id: Some(TopicId(u128::MAX - 1)),
            partition: 2,
            offset: 1 << 40,
            run: u64::MAX,
            sequence,
            checksum: u32::MAX,
            acknowledged: UNIX_EPOCH + Duration::from_millis(1_780_000_000_123 + sequence),
            leader: Some(BrokerId(3)),
            leader_epoch: Some(9),
            checked: Duration::from_secs(60),
        }
    }

    #[test]
    fn samples_that_were_saved_are_loaded_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let unknown = Sample { topic_id: None, leader: None, leader_epoch: None, ..sample(3) };
        {
            let kept = KeptSamples::new(Arc::new(Store::open(&path).expect("a new file")), "eu");
            assert_eq!(kept.load("hb").expect("a file"), []);
            kept.save("hb", &[sample(1), sample(2)]).expect("saved");
            kept.save("hb", &[sample(2), unknown]).expect("saved");
        }
        let store = Arc::new(Store::open(&path).expect("the file"));
        let kept = |cluster| KeptSamples::new(store.clone(), cluster);
        assert_eq!(kept("eu").load("hb").expect("a file"), [sample(2), unknown]);
        assert_eq!(kept("eu").load("other").expect("a file"), [], "samples of another topic");
        assert_eq!(kept("us").load("hb").expect("a file"), [], "samples of another cluster");
    }

    #[test]
    fn samples_are_saved_to_a_file_that_took_the_place_of_the_open_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.db");
        let store = Arc::new(Store::open(&path).expect("a new file"));
        let kept = KeptSamples::new(store, "eu");
        kept.save("hb", &[sample(1)]).expect("saved");
        std::fs::remove_file(&path).expect("removed");
        kept.save("hb", &[sample(1), sample(2)]).expect("saved");
        drop(kept);
        let again = KeptSamples::new(Arc::new(Store::open(&path).expect("the file")), "eu");
        assert_eq!(again.load("hb").expect("a file"), [sample(1), sample(2)]);
    }
}
