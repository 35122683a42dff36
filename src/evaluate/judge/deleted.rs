//! Deleted groups: they stay in the report for a while, but not without a limit on their number.

use super::groups::Judge;

impl Judge {
    /// Keeps at most `most` deleted groups and forgets those that were deleted first. A program that creates thousands of
    /// groups must not use up the memory of the service.
    pub(crate) fn forget_oldest(&mut self, most: usize) {
        let deleted = self.groups.iter().filter(|(_, memory)| memory.is_absent());
        let mut deleted: Vec<_> = deleted.map(|(name, memory)| (memory.since(), name.clone())).collect();
        let surplus = deleted.len().saturating_sub(most);
        if surplus == 0 {
            return;
        }
        deleted.sort();
        for (_, name) in deleted.drain(..surplus) {
            if let Some(memory) = self.groups.remove(&name) {
                self.forgotten.lives.extend(memory.rows(&name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MONDAY, World, all_unsaved, cluster, judge_world};
    use super::*;

    #[test]
    fn deleted_groups_beyond_the_limit_are_forgotten_oldest_first() {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut settings = cluster();
        settings.history.absent_group_limit = 2;
        let (mut judge, mut world) = (Judge::default(), World::default());
        world.ends.insert("t", 1000);
        for name in NAMES {
            world.commits.insert((name, "t"), 1000);
        }
        judge_world(&mut judge, &world, 0, MONDAY, &settings);
        all_unsaved(&mut judge);
        // One group after the other is deleted, the last one of the alphabet first; "a" stays.
        let mut last = None;
        for (number, name) in (1..).zip(["e", "d", "c", "b"]) {
            world.commits.remove(&(name, "t"));
            for second in [0, 60] {
                let at = 120 * number + second;
                last = Some(judge_world(&mut judge, &world, at, MONDAY + at, &settings).0);
            }
        }
        let groups = last.expect("judged").groups;
        let names = groups.iter().map(|(name, group)| (&**name, group.absent)).collect::<Vec<_>>();
        assert_eq!(names, [("a", false), ("b", true), ("c", true)]);
        let (lives, _) = all_unsaved(&mut judge);
        let forgotten: Vec<_> =
            lives.iter().filter(|row| row.kept.is_none()).map(|row| &*row.group).collect();
        assert_eq!(forgotten, ["e", "d"], "the history file forgets these groups, too");
    }
}
