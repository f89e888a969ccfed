//! Text in a fixed buffer, without `core::fmt`.

/// At most `N` bytes of text; what does not fit is cut off.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::new()
    }
}

impl<const N: usize> Text<N> {
    /// Empty.
    pub fn new() -> Self {
        Text { bytes: [0; N], length: 0 }
    }

    /// What is there.
    pub fn as_bytes(&self) -> &[u8] {
        // Never out of range; said so that no panic, and so no number formatting, is linked in.
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length += append(self.bytes.get_mut(self.length..).unwrap_or_default(), bytes);
        self
    }

    /// Appends one byte.
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    /// Appends text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Appends a number in decimal.
    pub fn decimal(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut first = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            first -= 1;
            if number == 0 {
                break;
            }
        }
        self.bytes(digits.get(first..).unwrap_or_default())
    }

    /// Appends bytes as pairs of hexadecimal digits.
    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        for byte in bytes {
            self.byte(digit(byte >> 4)).byte(digit(byte & 15));
        }
        self
    }
}

/// Copies what fits; returns how much. Never inlined: small programs call it a dozen times.
#[inline(never)]
fn append(room: &mut [u8], bytes: &[u8]) -> usize {
    room.iter_mut().zip(bytes).map(|(place, byte)| *place = *byte).count()
}

/// The decimal number that is the whole of `text`.
pub fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_the_standard_library_writes_them() {
        for number in [0, 7, 10, 4096, u64::MAX] {
            let mut text = Text::<20>::new();
            text.decimal(number);
            assert_eq!(text.as_bytes(), number.to_string().as_bytes());
            assert_eq!(parse_decimal(text.as_bytes()), Some(number));
        }
        let mut hex = Text::<16>::new();
        hex.hex(&0x0123_4567_89ab_cdefu64.to_be_bytes());
        assert_eq!(hex.as_bytes(), b"0123456789abcdef");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [&b""[..], b"-1", b"1k", b" 1", b"18446744073709551616"] {
            assert_eq!(parse_decimal(text), None);
        }
    }

    #[test]
    fn a_full_text_cuts_off() {
        let mut text = Text::<4>::new();
        text.push("abc").decimal(12345);
        assert_eq!(text.as_bytes(), b"abc1");
    }
}
