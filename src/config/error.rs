//! Everything that is wrong with a configuration, at once.

use std::{error, fmt};

/// One error with its place. It never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The source of the wrong value: `config.ini:14`, `environment NAME`, `-X`. Empty if a value is missing.
    pub place: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// All errors of a configuration. They are printed in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    /// Adds an error, unless the same error is already there.
    pub fn add(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Adds the errors of another check.
    pub fn join(&mut self, others: Errors) {
        others.0.into_iter().for_each(|problem| self.add(problem));
    }

    /// The value, if there are no errors.
    ///
    /// # Errors
    /// All errors.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Whether values are missing, but no value that is given is wrong.
    pub fn only_missing(&self) -> bool {
        self.0.iter().all(|problem| problem.place.is_empty())
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut problems: Vec<&Problem> = self.0.iter().collect();
        let line = |problem: &Problem| {
            let (file, line) = problem.place.rsplit_once(':').unwrap_or((&problem.place, ""));
            (file.to_owned(), line.parse::<usize>().unwrap_or(0))
        };
        problems.sort_by_key(|problem| line(problem));
        for (index, Problem { place, message }) in problems.into_iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if place.is_empty() { write!(f, "{message}") } else { write!(f, "{place}: {message}") }?;
        }
        Ok(())
    }
}

impl error::Error for Errors {}
