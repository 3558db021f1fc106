//! Signatures of OAuth 2.0 assertions: JWS by hand, since no kept library checks ES512, over public keys and certificates.

use std::io;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaKeyPair, KeyPair as _, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::json::Json;

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The header of a P-256 public key in SubjectPublicKeyInfo form.
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The pair of this process, private and public key as PEM: accounts that start by the thousand share one.
pub(crate) fn pair() -> io::Result<(String, String)> {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    match PAIR.get() {
        Some(pair) => Ok(pair.clone()),
        None => generate().map(|new| PAIR.get_or_init(|| new).clone()),
    }
}

/// A fresh pair.
fn generate() -> io::Result<(String, String)> {
    let failed = |_| io::Error::other("no key pair could be made");
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(failed)?;
    let pair =
        EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref()).map_err(|error| io::Error::other(error.to_string()))?;
    let mut public = P256_INFO.to_vec();
    public.extend_from_slice(pair.public_key().as_ref());
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// With its head.
    whole: &'a [u8],
    after: &'a [u8],
}

fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = der.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (size, body) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let (digits, body) = rest.split_at_checked(usize::from(short & 0x7f))?;
        (digits.iter().try_fold(0_usize, |size, digit| size.checked_mul(256)?.checked_add(usize::from(*digit)))?, body)
    };
    let (content, after) = body.split_at_checked(size)?;
    Some(Element { tag, content, whole: &der[..der.len() - after.len()], after })
}

/// The SubjectPublicKeyInfo of a certificate: after version, serial, signature, issuer, validity and subject.
fn of_certificate(der: &[u8]) -> Option<&[u8]> {
    let certificate = element(der)?;
    let mut fields = element(certificate.content)?.content;
    let versioned = element(fields)?.tag == 0xa0;
    for _ in 0..if versioned { 6 } else { 5 } {
        fields = element(fields)?.after;
    }
    Some(element(fields)?.whole)
}

/// DER of the public key in a PEM text: `PUBLIC KEY` or `CERTIFICATE`.
pub(crate) fn public_key(pem: &str) -> Option<Vec<u8>> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(text).ok()?;
    if pem.contains("BEGIN CERTIFICATE") { of_certificate(&der).map(<[u8]>::to_vec) } else { Some(der) }
}

/// The parts of a JWT: header, claims, what was signed, signature.
pub(crate) struct Assertion<'a> {
    pub(crate) header: Json,
    pub(crate) claims: Json,
    signed: &'a str,
    signature: Vec<u8>,
}

pub(crate) fn read(jwt: &str) -> Option<Assertion<'_>> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        Json::parse(std::str::from_utf8(&bytes).ok()?).ok()
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    Some(Assertion { header: json(header)?, claims: json(claims)?, signed, signature })
}

impl Assertion<'_> {
    /// True if the key in this PEM text signed it, by an algorithm that the vendor takes. RS256 is none of them.
    pub(crate) fn signed_by(&self, pem: &str) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.header.text("alg").as_str() {
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            "PS384" => &RSA_PSS_2048_8192_SHA384,
            "PS512" => &RSA_PSS_2048_8192_SHA512,
            "ES256" => &ECDSA_P256_SHA256_FIXED,
            "ES384" => &ECDSA_P384_SHA384_FIXED,
            "ES512" => &ECDSA_P521_SHA512_FIXED,
            _ => return false,
        };
        let Some(key) = public_key(pem) else { return false };
        UnparsedPublicKey::new(algorithm, key).verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}
