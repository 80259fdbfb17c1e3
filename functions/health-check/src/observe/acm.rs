//! ACM certificates: those in use for the policy's domains are found, whatever their keys, and each is described.
//!
//! Others come by their tag, and from the listeners that present them. Those of `CloudFront` live in us-east-1, and are not found from elsewhere.

use aws_sdk_acm::types::{
    CertificateDetail, CertificateKeyPairOrigin, DomainValidation, Filters, KeyAlgorithm,
};
use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::certificate::{Facts, Unproven, covers, verdict};
use crate::sweep::{Api, Ask, Pages};

/// Without them, `ListCertificates` leaves out all but RSA keys of 1,024 and 2,048 bits.
const KEYS: [KeyAlgorithm; 7] = [
    KeyAlgorithm::Rsa1024,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
    KeyAlgorithm::EcSecp521r1,
];

/// Without them, `ListCertificates` leaves out those that came by ACME.
const ORIGINS: [CertificateKeyPairOrigin; 3] = [
    CertificateKeyPairOrigin::Acme,
    CertificateKeyPairOrigin::AwsManaged,
    CertificateKeyPairOrigin::CustomerProvided,
];

/// The certificates that something uses, and that are for one of the policy's domains. Where they cannot be listed to the end, that is said of `certificate:*`.
pub(crate) async fn discover(ask: &Ask<'_>) -> Vec<Component> {
    let (mut found, mut token, mut pages) = (Vec::new(), None, Pages::default());
    loop {
        let next = page(ask, token).await.and_then(|(more, next)| {
            found.extend(more);
            pages.next(next)
        });
        token = match next {
            Ok(None) => return found,
            Ok(next) => next,
            Err(error) => {
                ask.unknown(&Component::new(Kind::Certificate, "*"), &error);
                return found;
            }
        };
    }
}

async fn page(ask: &Ask<'_>, token: Option<String>) -> Result<(Vec<Component>, Option<String>)> {
    let _turn = ask.turn(Api::Acm).await;
    let filters = Filters::builder().set_key_types(Some(KEYS.to_vec())).build();
    let call = ask.clients.acm().list_certificates().includes(filters).max_items(1000);
    let call = call.set_certificate_key_pair_origins(Some(ORIGINS.to_vec()));
    let answer = call.set_next_token(token).send().await.action("acm:ListCertificates")?;
    // Silence about the use of one is not disuse: its description tells.
    let used = answer.certificate_summary_list().iter().filter(|it| it.in_use != Some(false));
    let ours = used.filter(|it| {
        let mut names = it
            .domain_name()
            .into_iter()
            .chain(it.subject_alternative_name_summaries().iter().map(String::as_str));
        // The summary of one with many names does not list them all.
        it.has_additional_subject_alternative_names() == Some(true)
            || names.any(|name| ask.rules.domains.iter().any(|domain| covers(name, domain)))
    });
    let found = ours.filter_map(|it| Component::at(it.certificate_arn()?)).collect();
    Ok((found, answer.next_token))
}

/// Checks all of them, one call each: ACM has no call for many.
pub(crate) async fn check(ask: &Ask<'_>, certificates: &[Component]) {
    join_all(certificates.iter().map(|certificate| one(ask, certificate))).await;
}

async fn one(ask: &Ask<'_>, certificate: &Component) {
    let facts = match facts(ask, certificate.arn()).await {
        Ok(facts) => facts,
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            Facts { gone: true, ..Facts::default() }
        }
        Err(error) => return ask.unknown(certificate, &error),
    };
    ask.say(certificate, verdict(&facts, &ask.rules.thresholds, ask.now));
}

async fn facts(ask: &Ask<'_>, arn: &str) -> Result<Facts> {
    let _turn = ask.turn(Api::Acm).await;
    let call = ask.clients.acm().describe_certificate().certificate_arn(arn);
    let answer = call.send().await.action("acm:DescribeCertificate")?;
    Ok(answer.certificate.map(read).unwrap_or_default())
}

fn read(detail: CertificateDetail) -> Facts {
    let unproven = match &detail.renewal_summary {
        Some(renewal) => unproven(&renewal.domain_validation_options),
        None => unproven(detail.domain_validation_options()),
    };
    let renewal = detail.renewal_summary.as_ref();
    let renewal_failure = renewal.and_then(|it| it.renewal_status_reason.as_ref());
    let time = |time: Option<DateTime>| Timestamp::from_second(time?.secs()).ok();
    Facts {
        gone: false,
        status: detail.status.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        failure: detail.failure_reason.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        sort: detail.r#type.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        users: detail.in_use_by.as_ref().map(Vec::len),
        ends: time(detail.not_after),
        algorithm: detail.key_algorithm.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        eligible: detail.renewal_eligibility.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        renewal: renewal.map(|it| it.renewal_status.as_str().to_owned()).unwrap_or_default(),
        renewal_failure: renewal_failure.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        unproven,
        domain: detail.domain_name.unwrap_or_default(),
        serial: detail.serial.unwrap_or_default(),
    }
}

/// The domains whose proof is missing.
fn unproven(options: &[DomainValidation]) -> Vec<Unproven> {
    let missing = options
        .iter()
        .filter(|it| it.validation_status.as_ref().is_none_or(|status| status.as_str() != "SUCCESS"));
    let read = |it: &DomainValidation| Unproven {
        domain: it.domain_name.clone(),
        record: it.resource_record.as_ref().map(|record| (record.name.clone(), record.value.clone())),
    };
    missing.map(read).collect()
}

#[cfg(test)]
mod tests;
