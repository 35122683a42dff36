//! From the sources that are named to a report.

use std::path::PathBuf;

use futures_util::future::try_join_all;

use super::{
    files::{self, File},
    services::Service,
};
use crate::{
    clock::now_ms,
    config::Config,
    report::{ClusterMonth, Month, Report},
    store::Unreadable,
};

/// What a report is to be made of.
#[derive(Debug)]
pub struct MonthOrder {
    /// The month.
    pub month: Month,
    /// History files.
    pub files: Vec<PathBuf>,
    /// The addresses of running services.
    pub urls: Vec<String>,
    /// A file with CA certificates that are trusted beside those of the system, for the addresses.
    pub ca: Option<PathBuf>,
    /// The name of one cluster; `None` for all of them.
    pub cluster: Option<String>,
}

/// Why there is no report.
#[derive(Debug)]
pub enum Unmade {
    /// The order or the configuration cannot be used.
    Wrong(String),
    /// A source cannot be read, or knows nothing of the cluster.
    NoData(String),
}

/// Makes the report. Without files and addresses, it is made from the history file of the configuration or, while the service runs or
/// without a history file, from the service at the address of the configuration.
///
/// # Errors
/// The reason and the remedy, in words. A source that cannot be read is an error: without it, the report would lack a vantage point
/// and nobody would see that.
pub async fn month(order: MonthOrder, config: &Config) -> Result<Report, Unmade> {
    let MonthOrder { month, files, urls, ca, cluster } = order;
    let now = now_ms().div_euclid(1000);
    if now < month.begin() {
        return Err(Unmade::Wrong(format!("--month: {month} has not begun")));
    }
    let service =
        |url: Option<&str>| Service::new(url, ca.as_ref(), &config.http, month).map_err(Unmade::Wrong);
    let mut services = urls.iter().map(|url| service(Some(url))).collect::<Result<Vec<_>, _>>()?;
    let cluster = cluster.as_deref();
    let mut months: Vec<ClusterMonth> = Vec::new();
    for path in &files {
        let read = files::read(&File { path, config }, month, now);
        let read = read.map_err(|error| Unmade::NoData(error.to_string()))?;
        months.extend(wanted(read, cluster, &path.display().to_string())?);
    }
    if files.is_empty() && urls.is_empty() {
        let path = config.history.path.as_deref();
        match path.map(|path| (path, files::read(&File { path, config }, month, now))) {
            Some((path, Ok(read))) => months.extend(wanted(read, cluster, &path.display().to_string())?),
            None | Some((_, Err(Unreadable::Locked(_)))) => services.push(service(None)?),
            Some((_, Err(Unreadable::Failed(words)))) => return Err(Unmade::NoData(words)),
        }
    }
    let answers = try_join_all(services.iter().map(|service| service.ask(month))).await;
    for (service, answer) in services.iter().zip(answers.map_err(Unmade::NoData)?) {
        months.extend(wanted(answer, cluster, &service.name())?);
    }
    Report::new(month, now, months).map_err(Unmade::Wrong)
}

/// The months that a source holds of the wanted cluster, or of all of its clusters.
///
/// # Errors
/// There is none: the report would lack this vantage point.
fn wanted(
    months: Vec<ClusterMonth>,
    cluster: Option<&str>,
    source: &str,
) -> Result<Vec<ClusterMonth>, Unmade> {
    let is_wanted = |month: &ClusterMonth| cluster.is_none_or(|name| month.cluster == name);
    let months: Vec<_> = months.into_iter().filter(is_wanted).collect();
    match (months.is_empty(), cluster) {
        (false, _) => Ok(months),
        (true, Some(name)) => {
            Err(Unmade::NoData(format!("--cluster: {source} knows no cluster of the name {name:?}")))
        }
        (true, None) => Err(Unmade::NoData(format!("{source} knows no cluster"))),
    }
}
