//! Checksums that clients send with data, computed as the algorithms define them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest as _, Sha256};

/// SHA-256 in hex.
pub(crate) fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// MD5 in hex: the entity tag of a simple object.
pub(crate) fn md5_hex(data: &[u8]) -> String {
    hex::encode(Md5::digest(data))
}

/// MD5 in base64, as `Content-MD5` carries it.
pub(crate) fn md5_base64(data: &[u8]) -> String {
    STANDARD.encode(Md5::digest(data))
}

/// The checksum S3 calls by this name (`crc32`, `crc32c`, `crc64nvme`, `sha256`), in base64; `None` for others.
pub(crate) fn by_name(name: &str, data: &[u8]) -> Option<String> {
    Some(match name.to_ascii_lowercase().as_str() {
        "crc32" => STANDARD.encode((crc(data, 0xEDB8_8320, 32) as u32).to_be_bytes()),
        "crc32c" => STANDARD.encode((crc(data, 0x82F6_3B78, 32) as u32).to_be_bytes()),
        "crc64nvme" => STANDARD.encode(crc(data, 0x9A6C_9329_AC4B_C9B5, 64).to_be_bytes()),
        "sha256" => STANDARD.encode(Sha256::digest(data)),
        _ => return None,
    })
}

/// A reflected CRC with all ones before and after, which all three of S3's are.
fn crc(data: &[u8], polynomial: u64, width: u32) -> u64 {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut table = [0u64; 256];
    for (index, entry) in (0u64..).zip(table.iter_mut()) {
        *entry = (0..8).fold(index, |value, _| if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 });
    }
    let mut value = mask;
    for byte in data {
        value = table[usize::from(value.to_le_bytes()[0] ^ byte)] ^ (value >> 8);
    }
    value ^ mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogues() {
        // "123456789" is the check input of the CRC catalogue.
        assert_eq!(crc(b"123456789", 0xEDB8_8320, 32), 0xCBF4_3926);
        assert_eq!(crc(b"123456789", 0x82F6_3B78, 32), 0xE306_9283);
        assert_eq!(crc(b"123456789", 0x9A6C_9329_AC4B_C9B5, 64), 0xAE8B_1486_0A79_9888);
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(by_name("SHA1", b""), None);
    }
}
