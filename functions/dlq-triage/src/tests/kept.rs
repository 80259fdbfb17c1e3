//! What the archive has, read as somebody would who knows nothing but the format.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::world::{ARCHIVE, World};
use crate::archive::{Line, Manifest};

fn lines(bytes: &[u8]) -> Vec<Line<'static>> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl World {
    fn archive(&self) -> BTreeMap<String, Vec<u8>> {
        let all = self.objects.objects().into_iter().filter(|(bucket, ..)| bucket == ARCHIVE);
        all.map(|(_, key, bytes)| (key, bytes)).collect()
    }

    /// The keys of the archive's parts.
    pub(super) fn parts(&self) -> Vec<String> {
        self.archive().into_keys().filter(|key| key.ends_with(".ndjson.gz")).collect()
    }

    /// Every letter in the archive, whose parts are what they say of themselves.
    pub(super) fn kept(&self) -> Vec<Line<'static>> {
        let archive = self.archive();
        let mut kept = Vec::new();
        for (key, bytes) in archive.iter().filter(|(key, _)| key.ends_with(".ndjson.gz")) {
            let lines = lines(bytes);
            let said = |name: &str| self.objects.header(key, &format!("x-amz-meta-{name}")).unwrap();
            assert_eq!(said("letters"), lines.len().to_string(), "{key}");
            assert_eq!(said("sha256"), hex::encode(Sha256::digest(bytes)), "{key}");
            assert_eq!(self.objects.versions(key), 1, "{key} is never written over");
            kept.extend(lines);
        }
        for (key, bytes) in archive.iter().filter(|(key, _)| key.ends_with("/manifest.json")) {
            let manifest: Manifest = serde_json::from_slice(bytes).unwrap();
            let prefix = key.trim_end_matches("manifest.json");
            let beside = archive.keys().filter(|key| key.starts_with(prefix) && key.ends_with(".ndjson.gz"));
            let named: Vec<&String> = manifest.parts.iter().map(|part| &part.key).collect();
            assert_eq!(named, beside.collect::<Vec<_>>(), "{key}");
            for part in &manifest.parts {
                let bytes = &archive[&part.key];
                assert_eq!(part.sha256, hex::encode(Sha256::digest(bytes)));
                assert_eq!(part.letters, lines(bytes).len());
            }
        }
        kept
    }

    /// The bodies of the letters in the archive, sorted.
    pub(super) fn kept_bodies(&self) -> Vec<String> {
        let mut bodies: Vec<String> = self.kept().into_iter().map(|line| line.body.into_owned()).collect();
        bodies.sort_unstable();
        bodies
    }
}
