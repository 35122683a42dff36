//! Collectors that refuse requests, limit their size, do not speak OTLP, or ask for an absurd pause.

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

use super::*;

/// A gauge and a counter of each of these partitions.
fn series_of(partitions: std::ops::Range<usize>, encoder: &mut Encoder<'_>) {
    for partition in partitions {
        let at = || ["eu".into(), partition.to_string().into()];
        encoder.push(catalog::heartbeat::SCHEDULED.series(at(), Value::Count(partition as u64)));
        encoder.push(catalog::heartbeat::IN_FLIGHT.series(at(), Value::Number(1.0)));
    }
}

#[tokio::test]
async fn remembered_series_are_bounded_by_the_number_of_live_series() {
    const LIVE: usize = 50;
    const ROUNDS: usize = 30;
    // The collector takes the first export of so many; `None` where it refuses every export.
    for (temporality, takes_one_of) in [
        ("cumulative", None),
        ("delta", None),
        ("cumulative", Some(4)),
        ("delta", Some(4)),
        ("delta", Some(1)),
    ] {
        let collector = Collector::default();
        let round = Arc::new(Mutex::new(0));
        let number = round.clone();
        let settings = over_http(&collector, &[("temporality", temporality)]).await;
        let mut exporter = exporter(&settings, move |encoder: &mut Encoder<'_>| {
            let first = *number.lock().expect("no other thread panicked") * LIVE / 2;
            series_of(first..first + LIVE / 2, encoder);
        });
        let mut most = 0;
        for number in 0..ROUNDS {
            *round.lock().expect("no other thread panicked") = number;
            let is_taken = takes_one_of.is_some_and(|of| number % of == 0);
            if !is_taken {
                collector.answer([Answer::Refuse(400, None)]);
            }
            assert_eq!(export(&mut exporter).await.is_ok(), is_taken);
            most = most.max(exporter.remembered());
        }
        // Those that vanished since the round began are found missing with the next round.
        assert!(most <= 3 * LIVE, "{temporality} {takes_one_of:?}: {most} for {LIVE} live series");
        if takes_one_of.is_none() {
            assert!(most <= 2 * LIVE, "{temporality}: {most} though the collector never took one");
        }
    }
}

#[tokio::test]
async fn series_that_vanished_during_a_long_refusal_is_sent_without_a_value_afterwards() {
    let collector = Collector::default();
    let script = Script::default();
    script.set(&[(1, 0.5), (2, 0.5)]);
    let mut exporter = exporter(&over_http(&collector, &[]).await, script.source());
    export(&mut exporter).await.expect("the collector accepts the export");
    collector.take();
    script.set(&[(3, 0.5)]);
    collector.answer((0..12).map(|_| Answer::Refuse(400, None)));
    for _ in 0..12 {
        export(&mut exporter).await.unwrap_err();
    }
    export(&mut exporter).await.expect("the collector accepts the export");
    assert_eq!(of(&collector, "heartbeat.in_flight")["1"].flags, 1, "no recorded value");
}

/// So many series that an export of them needs several requests.
const MANY: usize = 50_000;

#[tokio::test]
async fn request_that_is_refused_for_good_stops_no_other() {
    let collector = Collector::default();
    let delta = [("compression", "none"), ("temporality", "delta")];
    let settings = over_http(&collector, &delta).await;
    let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(0..MANY, encoder));
    collector.answer([Answer::Refuse(400, None)]);
    let words = export(&mut exporter).await.unwrap_err();
    let (asked, taken) = (collector.asked(), collector.sizes().len());
    assert!(taken > 1 && asked == taken + 1, "{asked} requests, {taken} of them taken");
    assert!(words.contains("400") && words.starts_with(&format!("1 of {asked} requests")), "{words}");
    // The next export holds what was refused: counts add up.
    export(&mut exporter).await.expect("the collector accepts the export");
    let taken = collector.take();
    let sum: f64 = metrics_of(&taken)
        .filter(|metric| metric.name == "heartbeat.scheduled")
        .flat_map(points)
        .filter_map(|point| point.value)
        .sum();
    assert_eq!(sum, (MANY * (MANY - 1) / 2) as f64, "nothing is lost, and nothing is there twice");
}

#[tokio::test]
async fn request_that_fails_temporarily_waits_behind_the_others() {
    let collector = Collector::default();
    let settings = over_http(&collector, &[("compression", "none")]).await;
    let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(0..MANY, encoder));
    // Of each request the first partition of its first metric.
    let beginnings = |collector: &Collector| -> Vec<_> {
        let first = |resource: &ResourceMetrics| {
            let metric = &resource.scope_metrics[0].metrics[0];
            (metric.name.clone(), points(metric).remove(0).attributes)
        };
        collector.take().iter().map(first).collect()
    };
    export(&mut exporter).await.expect("the collector accepts the export");
    let mut expected = beginnings(&collector);
    assert!(expected.len() > 2);
    collector.answer([Answer::Refuse(503, Some(1))]);
    export(&mut exporter).await.expect("the collector accepts the export");
    expected.rotate_left(1);
    assert_eq!(beginnings(&collector), expected, "the request that failed temporarily comes last");
}

#[tokio::test]
async fn request_that_is_too_large_is_cut_and_the_limit_is_remembered() {
    const LIMIT: usize = 700_000;
    let (over_http_limited, over_grpc_limited) = (Collector::default(), Collector::default());
    over_http_limited.limit(LIMIT);
    let http = over_http(&over_http_limited, &[("compression", "none")]).await;
    let url = format!("http://{}", over_grpc_limited.narrow_grpc(LIMIT).await);
    let grpc = settings(&[("endpoint", url.as_str()), ("protocol", "grpc"), ("compression", "none")]);
    for (collector, settings) in [(over_http_limited, http), (over_grpc_limited, grpc)] {
        let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(0..MANY, encoder));
        let report = export(&mut exporter).await.expect("the collector accepts the export");
        let sizes = collector.sizes();
        assert!(sizes.iter().all(|size| *size <= LIMIT), "{sizes:?}");
        assert!(
            sizes.iter().any(|size| *size > LIMIT / 4),
            "requests are cut no smaller than the limit requires: {sizes:?}"
        );
        assert_eq!(report.requests, sizes.len() as u64);
        let taken = collector.take();
        assert_eq!(metrics_of(&taken).flat_map(points).count(), 2 * MANY, "every point once");
        // A cut is found with a handful of refusals, and the next export needs none.
        let asked = collector.asked();
        export(&mut exporter).await.expect("the collector accepts the export");
        let later = collector.sizes().len() - sizes.len();
        if settings.target.protocol == config::Protocol::Grpc {
            continue; // A message above the limit is refused by tonic before the collector counts the request.
        }
        assert!(asked <= sizes.len() + 4, "{asked} requests, {} taken", sizes.len());
        assert_eq!(collector.asked() - asked, later, "nothing was too large again");
    }
}

#[tokio::test]
async fn requests_grow_again_after_the_collector_has_raised_its_limit() {
    let collector = Collector::default();
    collector.limit(200_000);
    let settings = over_http(&collector, &[("compression", "none")]).await;
    let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(0..MANY / 4, encoder));
    export(&mut exporter).await.expect("the collector accepts the export");
    let narrow = collector.sizes().len();
    collector.limit(usize::MAX);
    let mut requests = Vec::new();
    while requests.last() != Some(&1) && requests.len() < 60 {
        let before = collector.asked();
        export(&mut exporter).await.expect("the collector accepts the export");
        requests.push(collector.asked() - before);
    }
    assert_eq!(requests.last(), Some(&1), "{narrow} requests at first, then {requests:?}");
    assert!(requests.is_sorted_by(|one, next| one >= next), "nothing was refused: {requests:?}");
    assert!(requests[..4].iter().all(|count| *count == requests[0]), "slowly: {requests:?}");
    let taken = collector.take();
    let expected = (requests.len() + 1) * MANY / 2;
    assert_eq!(metrics_of(&taken).flat_map(points).count(), expected, "every point once in each export");
}

#[tokio::test]
async fn refusals_that_alternate_with_successes_lose_no_point() {
    let collector = Collector::default();
    let delta = [("compression", "none"), ("temporality", "delta")];
    let round = Arc::new(Mutex::new(0_u64));
    let number = round.clone();
    let mut exporter = exporter(&over_http(&collector, &delta).await, move |encoder: &mut Encoder<'_>| {
        let round = *number.lock().expect("no other thread panicked");
        for partition in 0..5_000_u64 {
            let labels = ["eu".into(), partition.to_string().into()];
            encoder.push(catalog::heartbeat::SCHEDULED.series(labels, Value::Count(round * partition)));
        }
    });
    const ROUNDS: u64 = 40;
    for number in 1..=ROUNDS {
        *round.lock().expect("no other thread panicked") = number;
        // Either every second request is refused whatever its length, or the limit is another with every export.
        if number <= ROUNDS / 2 {
            collector.answer((0..20).flat_map(|_| [Answer::Refuse(413, None), Answer::Take]));
        } else {
            collector.limit([40_000, 400_000][usize::try_from(number % 2).expect("0 or 1")]);
        }
        // A request that is too short to be cut may have been refused: the next export holds its points.
        _ = export(&mut exporter).await;
        collector.forget();
    }
    export(&mut exporter).await.expect("the collector accepts the export");
    let taken = collector.take();
    let sum: f64 = metrics_of(&taken).flat_map(points).filter_map(|point| point.value).sum();
    assert_eq!(sum, (ROUNDS * (4_999 * 5_000 / 2)) as f64, "nothing is lost, and nothing is there twice");
    assert!(collector.asked() < 2_000, "{} requests", collector.asked());
}

#[tokio::test]
async fn collector_that_finds_everything_too_large_gets_a_bounded_number_of_requests() {
    let collector = Collector::default();
    collector.limit(0);
    let settings = over_http(&collector, &[]).await;
    let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(0..2_000, encoder));
    let words = export(&mut exporter).await.unwrap_err();
    assert!(words.contains("413"), "{words}");
    assert!(collector.asked() < 100, "{}", collector.asked());
}

#[tokio::test]
async fn absurd_pause_ends_an_export_without_a_panic() {
    let collector = Collector::default();
    let (http, grpc) = (over_http(&collector, &[]).await, over_grpc(&collector, &[]).await);
    for (settings, code, pause) in [
        (&http, 503, u64::MAX),
        (&http, 429, i64::MAX as u64),
        (&http, 429, i64::MAX as u64 + 1),
        (&grpc, 14, 1 << 38),
    ] {
        let mut exporter = exporter(settings, |encoder: &mut Encoder<'_>| series_of(0..1, encoder));
        collector.answer([Answer::Refuse(code, Some(pause))]);
        let begun = Instant::now();
        export(&mut exporter).await.unwrap_err();
        assert!(begun.elapsed() < AMPLE, "given up at once");
        export(&mut exporter).await.expect("the collector accepts the export");
    }
}

/// Responses of endpoints that are no collector, and responses of a collector.
const ANSWERS: [(u16, Option<&str>, &[u8], bool); 11] = [
    (200, Some("text/html; charset=utf-8"), b"<html>Please sign in</html>", false),
    (200, Some("text/plain"), b"(0", false),
    (200, Some("application/x-protobuf"), b"<html></html>", false),
    (200, Some("application/x-protobuf"), &[0xff, 0xff, 0xff, 0xff], false),
    (200, None, b"welcome to nginx!", false),
    (200, Some("application/json"), b"{\"error\":\"unknown path\"}", false),
    (200, Some("application/json"), b"{\"partialSuccess\":{\"rejectedDataPoints\":\"0\"}}", true),
    (200, Some("application/json"), b"{}", true),
    (200, Some("application/x-protobuf"), b"", true),
    (200, Some("text/plain"), b"", true),
    (204, None, b"", true),
];

#[tokio::test]
async fn endpoint_that_does_not_speak_otlp_is_reported_as_such() {
    let collector = Collector::default();
    let settings = over_http(&collector, &[("temporality", "delta")]).await;
    for (status, kind, body, is_otlp) in ANSWERS {
        let mut exporter = exporter(&settings, |encoder: &mut Encoder<'_>| series_of(7..8, encoder));
        collector.answer([Answer::Respond(status, kind, body)]);
        match export(&mut exporter).await {
            Ok(report) => assert!(is_otlp && report.requests == 1, "{kind:?} {body:?}"),
            Err(words) => {
                assert!(!is_otlp && words.contains("not an OTLP endpoint"), "{kind:?}: {words}");
                assert!(words.contains("200") && !words.contains('<'), "{words}");
            }
        }
        // Points that were not taken are sent again.
        export(&mut exporter).await.expect("the collector accepts the export");
        let again =
            of(&collector, "heartbeat.scheduled").remove("7").expect("the point of partition 7").value;
        assert_eq!(again, Some(if is_otlp { 0.0 } else { 7.0 }), "{kind:?} {body:?}");
    }
}
