//! The reasons for which a heartbeat client is replaced.

/// A heartbeat client was replaced by another client of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewal {
    /// The consumer was replaced, because the topic was deleted and created again.
    ConsumerForNewTopic,
    /// The producer was replaced, because the topic was deleted and created again.
    ProducerForNewTopic,
    /// The producer was replaced, because librdkafka gave it up after a fatal error.
    FailedProducer,
    /// The consumer was replaced, because the certificates are renewed.
    ConsumerWithNewCertificates,
    /// The producer was replaced, because the certificates are renewed.
    ProducerWithNewCertificates,
}

impl Renewal {
    /// Every kind of renewal, in the order of the counts in a snapshot.
    pub const ALL: [Renewal; 5] = [
        Renewal::ConsumerForNewTopic,
        Renewal::ProducerForNewTopic,
        Renewal::FailedProducer,
        Renewal::ConsumerWithNewCertificates,
        Renewal::ProducerWithNewCertificates,
    ];

    /// The client that was replaced, as a label value.
    pub fn client(self) -> &'static str {
        match self {
            Renewal::ConsumerForNewTopic | Renewal::ConsumerWithNewCertificates => "consumer",
            Renewal::ProducerForNewTopic | Renewal::FailedProducer | Renewal::ProducerWithNewCertificates => {
                "producer"
            }
        }
    }

    /// The reason as a label value.
    pub fn reason(self) -> &'static str {
        match self {
            Renewal::ConsumerForNewTopic | Renewal::ProducerForNewTopic => "topic_recreated",
            Renewal::FailedProducer => "fatal_error",
            Renewal::ConsumerWithNewCertificates | Renewal::ProducerWithNewCertificates => {
                "certificate_renewed"
            }
        }
    }
}
