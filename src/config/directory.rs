//! `[clusters] directory`: clusters that are defined by files of their own, so that a tool can add and remove them. A file that cannot be
//! used is left out with a sentence that says why. It never spoils the other files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    cluster,
    error::{Errors, Problem},
    file::{self, File},
    known::Known,
    secret_file,
    settings::Settings,
};
use crate::files;

/// More files than this are not read: a directory with more is not one of clusters.
const MOST_FILES: usize = 10_000;

/// What the files of the directory hold.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The files that are not used, each with everything that is wrong with it.
    pub(super) refused: Vec<String>,
    /// The names of the clusters that the files define.
    pub(super) clusters: Vec<String>,
}

/// Adds the clusters of the directory to the settings, if one is configured.
pub(super) fn add(
    settings: &mut Settings,
    env: &BTreeMap<String, String>,
    known: &Known,
    errors: &mut Errors,
) -> Directory {
    let mut directory = Directory::default();
    let Some(setting) = settings.get("clusters", "directory").filter(|setting| !setting.value.is_empty())
    else {
        return directory;
    };
    let place = setting.place.to_string();
    let found = match files(Path::new(&setting.value)) {
        Ok(found) => found,
        Err(error) => {
            errors
                .add(Problem { place, message: format!("[clusters] directory: {}: {error}", setting.value) });
            return directory;
        }
    };
    // Each file is read with the common settings and without the clusters of other files.
    let common = settings.clone();
    for path in found {
        match read(&path, &common, settings, env, known) {
            Ok(own) => {
                for (section, keys) in own.sections() {
                    directory.clusters.extend(section.strip_prefix("cluster:").map(str::to_owned));
                    keys.iter().for_each(|(key, setting)| settings.set(section, &**key, setting.clone()));
                }
            }
            Err(errors) => directory.refused.push(errors.to_string()),
        }
    }
    if settings.get("kafka", "bootstrap.servers").is_none() && !settings.has_clusters() {
        let refused: String = directory.refused.iter().map(|words| format!("\n{words}")).collect();
        let message = format!("[clusters] directory: no file defines a cluster that can be used{refused}");
        errors.add(Problem { place, message });
    }
    directory
}

/// The files of the directory whose names end with `.ini`, ordered by name.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = Vec::new();
    for path in entries {
        let path = path?;
        if path.extension().is_some_and(|extension| extension == "ini") {
            found.push(path);
        }
        if found.len() > MOST_FILES {
            return Err(io::Error::other(format!("there are more than {MOST_FILES} files")));
        }
    }
    found.sort();
    Ok(found)
}

/// The clusters of one file.
///
/// # Errors
/// Everything that is wrong with the file.
fn read(
    path: &Path,
    common: &Settings,
    all: &Settings,
    env: &BTreeMap<String, String>,
    known: &Known,
) -> Result<Settings, Errors> {
    let name = path.display().to_string();
    let mut errors = Errors::default();
    let problem = |errors: &mut Errors, message: String| errors.add(Problem { place: name.clone(), message });
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(error) => {
            problem(&mut errors, format!("cannot be read: {error}"));
            return Err(errors);
        }
    };
    let mut own = file::settings(File { name: &name, text: &text }, known, &mut errors);
    file::replace_variables(&mut own, env, &mut errors);
    secret_file::read(&mut own, &mut errors);
    let mut alone = common.without_clusters();
    let mut is_empty = true;
    for (section, keys) in own.sections() {
        let Some(cluster) = section.strip_prefix("cluster:") else {
            problem(
                &mut errors,
                format!("[{section}]: a file of [clusters] directory holds [cluster:NAME] alone"),
            );
            continue;
        };
        is_empty = false;
        if let Some((_, other)) = all.section(section).next() {
            problem(
                &mut errors,
                format!("[{section}]: cluster {cluster} is defined at {} already", other.place),
            );
        }
        keys.iter().for_each(|(key, setting)| alone.set(section, &**key, setting.clone()));
    }
    if is_empty {
        problem(&mut errors, "there is no [cluster:NAME] with a key".to_owned());
    } else {
        cluster::clusters(&alone, known, &mut errors);
    }
    errors.or(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources, read};

    fn config(files: &[(&str, &str)]) -> (Config, Errors) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let main = folder.path().join("main");
        fs::write(
            &main,
            format!("[clusters]\ndirectory = {}\n[heartbeat]\ntopic = common\n", folder.path().display()),
        )
        .expect("a file");
        read(&Sources { file: Some(main), ..Sources::default() }).expect("the file can be read")
    }

    fn names(config: &Config) -> Vec<&str> {
        config.clusters.iter().map(|cluster| cluster.name.as_str()).collect()
    }

    #[test]
    fn each_file_adds_its_clusters_with_the_common_settings() {
        let (config, errors) = config(&[
            ("b.ini", "[cluster:b]\nbootstrap.servers = b:1\nheartbeat.topic = own\n"),
            ("a.ini", "[cluster:a]\nbootstrap.servers = a:1\n[cluster:c]\nbootstrap.servers = c:1\n"),
            ("notes.txt", "no configuration"),
        ]);
        assert!(errors.is_empty(), "{errors}");
        assert_eq!(names(&config), ["a", "b", "c"]);
        let topics: Vec<_> = config.clusters.iter().map(|cluster| cluster.heartbeat.topic.as_str()).collect();
        assert_eq!(topics, ["common", "own", "common"]);
        assert_eq!(config.refused, [""; 0]);
        assert!(config.listing().contains("b.ini:2"), "{}", config.listing());
    }

    #[test]
    fn three_wrong_files_of_a_thousand_are_left_out_with_their_mistakes() {
        let mut files: Vec<(String, String)> = (0..997)
            .map(|at| (format!("{at:03}.ini"), format!("[cluster:k{at:03}]\nbootstrap.servers = k{at}:1\n")))
            .collect();
        for (name, text) in [
            ("x1.ini", "[cluster:x1]\nbootstrap.servers = x:1\nheartbeat.intervall = 1s\n"),
            ("x2.ini", "[cluster:k000]\nbootstrap.servers = x:1\n"),
            ("x3.ini", "[http]\nlisten = 0.0.0.0:1\n"),
        ] {
            files.push((name.to_owned(), text.to_owned()));
        }
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (config, errors) = config(&files);
        assert!(errors.is_empty(), "{errors}");
        assert_eq!(config.clusters.len(), 997);
        let [one, two, three] = config.refused.as_slice() else { panic!("{:?}", config.refused) };
        assert!(
            one.contains("x1.ini:3: [cluster:x1] heartbeat.intervall: unknown key: did you mean interval"),
            "{one}"
        );
        assert!(two.contains("cluster k000 is defined at") && two.contains("000.ini:2 already"), "{two}");
        assert!(
            three.contains("[http]: a file of [clusters] directory holds [cluster:NAME] alone"),
            "{three}"
        );
    }

    #[test]
    fn directory_without_a_usable_cluster_is_an_error() {
        let (_, errors) = config(&[("a.ini", "[cluster:a]\n")]);
        let words = errors.to_string();
        assert!(words.contains("no file defines a cluster that can be used"), "{words}");
        assert!(words.contains("a.ini: there is no [cluster:NAME] with a key"), "{words}");
        let missing = Sources {
            env: BTreeMap::from([("KAFKA_HEARTBEAT__CLUSTERS__DIRECTORY".to_owned(), "/no/such".to_owned())]),
            bootstrap: Some("a:1".to_owned()),
            ..Sources::default()
        };
        let (_, errors) = read(&missing).expect("no file is needed");
        assert!(errors.to_string().contains("[clusters] directory: /no/such: "), "{errors}");
    }
}
