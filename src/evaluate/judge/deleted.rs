//! Deleted groups: they stay in the report for a while, but not without a limit on their number.

use super::groups::Judge;

impl Judge {
    /// Of more deleted groups than these, forgets those that were deleted first: a program that makes groups by the thousand
    /// must not use up our memory.
    pub(crate) fn forget_oldest(&mut self, most: usize) {
        let deleted = self.groups.iter().filter(|(_, known)| known.is_absent());
        let mut deleted: Vec<_> = deleted.map(|(name, known)| (known.since(), name.clone())).collect();
        let surplus = deleted.len().saturating_sub(most);
        if surplus == 0 {
            return;
        }
        deleted.sort();
        for (_, name) in deleted.drain(..surplus) {
            if let Some(known) = self.groups.remove(&name) {
                self.gone.0.extend(known.rows(&name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MONDAY, World, cluster, look};
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
        look(&mut judge, &world, 0, MONDAY, &settings);
        judge.unsaved(true);
        // One group after the other is deleted, the last one of the alphabet first; "a" stays.
        let mut told = None;
        for (number, name) in (1..).zip(["e", "d", "c", "b"]) {
            world.commits.remove(&(name, "t"));
            for second in [0, 60] {
                let at = 120 * number + second;
                told = Some(look(&mut judge, &world, at, MONDAY + at, &settings).0);
            }
        }
        let groups = told.expect("judged").groups;
        let names = groups.iter().map(|(name, group)| (&**name, group.absent)).collect::<Vec<_>>();
        assert_eq!(names, [("a", false), ("b", true), ("c", true)]);
        let (lives, _) = judge.unsaved(true);
        let forgotten: Vec<_> =
            lives.iter().filter(|(.., kept)| kept.is_none()).map(|(name, ..)| &**name).collect();
        assert_eq!(forgotten, ["e", "d"], "the file forgets them too");
    }
}
