//! Everything that is wrong with a configuration, at once.

use std::{error, fmt};

/// One thing that is wrong, with its place. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `config.ini:14`, `environment NAME`, `-X`; empty if something is missing.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// All problems, in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    /// Adds one.
    pub fn add(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Adds others.
    pub fn join(&mut self, others: Errors) {
        others.0.into_iter().for_each(|problem| self.add(problem));
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Whether everything that is wrong is that something is missing, and nothing that was given is wrong.
    pub fn only_missing(&self) -> bool {
        self.0.iter().all(|problem| problem.place.is_empty())
    }

    /// Whether nothing is wrong.
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
