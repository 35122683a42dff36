//! The formats of `/metrics`, and the choice among them.

use std::collections::BTreeMap;

/// A format of `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The text format 0.0.4, which every scraper understands.
    Text,
    /// OpenMetrics 1.0, which Prometheus prefers; with exemplars.
    OpenMetrics,
    /// Protobuf, which Prometheus prefers if native histograms are enabled: no other format has them.
    Protobuf,
}

impl Format {
    /// The value of the header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The format that an `Accept` header prefers; of several that it prefers equally, the format that holds most.
    pub fn negotiate(accept: &str) -> Self {
        let wanted = accept.split(',').filter_map(Format::entry);
        let best = wanted.max_by(|(one, format), (other, than)| one.total_cmp(other).then(format.cmp(than)));
        best.map_or(Format::Text, |(_, format)| format)
    }

    /// One entry of an `Accept` header: its quality and its format. Absent for a format that the service does not have.
    fn entry(entry: &str) -> Option<(f64, Self)> {
        let mut parts = entry.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_lowercase();
        let parameters: BTreeMap<_, _> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality = parameters.get("q").map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0));
        let is = |name, wanted: &str| parameters.get(name).is_none_or(|value| *value == wanted);
        let format = match media.as_str() {
            "application/openmetrics-text" if is("version", "1.0.0") => Format::OpenMetrics,
            "application/vnd.google.protobuf"
                if is("proto", "io.prometheus.client.MetricFamily") && is("encoding", "delimited") =>
            {
                Format::Protobuf
            }
            "text/plain" | "text/*" | "*/*" => Format::Text,
            _ => return None,
        };
        (quality > 0.0).then_some((quality, format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_format_is_negotiated() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                          version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                      q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";
        let table = [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=0.1, text/plain", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=nonsense", Format::Text),
            (native, Format::Protobuf),
            ("application/vnd.google.protobuf;q=0.1,text/plain;q=0.2", Format::Text),
            ("application/vnd.google.protobuf;encoding=text", Format::Text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
                Format::Text,
            ),
        ];
        for (accept, format) in table {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
    }
}
