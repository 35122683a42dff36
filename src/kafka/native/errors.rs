//! Converts the errors of librdkafka into those of this program.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::kafka::{Error, Fault};

/// The error of a request or a client that librdkafka refused. `what` names it.
pub(super) fn refused(what: &str, error: &KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => {
            Error::new(Fault::Other, format!("librdkafka refuses {what}: property {key}"))
        }
        error => Error::new(fault(error), format!("librdkafka refuses {what}")).because(error.to_string()),
    }
}

/// The fault of librdkafka's error.
pub(super) fn fault(error: &KafkaError) -> Fault {
    let Some(code) = error.rdkafka_error_code() else { return Fault::Other };
    match code {
        Code::Resolve => Fault::Dns,
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::TimedOutQueue => {
            Fault::Timeout
        }
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::NetworkException
        | Code::BrokerDestroy => Fault::Disconnected,
        Code::SSL => Fault::Tls,
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            Fault::Authentication
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Fault::Authorization,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::UnknownTopicId => Fault::UnknownTopic,
        Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::FencedLeaderEpoch
        | Code::CoordinatorNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::NotCoordinator => Fault::NoLeader,
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Fault::NotEnoughReplicas,
        Code::PolicyViolation | Code::ThrottlingQuotaExceeded => Fault::Policy,
        Code::QueueFull => Fault::QueueFull,
        Code::UnsupportedFeature | Code::UnsupportedVersion => Fault::Unsupported,
        Code::BadMessage | Code::InvalidMessage => Fault::Protocol,
        _ => Fault::Other,
    }
}
