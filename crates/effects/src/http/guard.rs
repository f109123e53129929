//! Which addresses are never connected to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keyway_host::gate::HttpAddress;

use super::HttpSetupError;

/// Why an address is not one of the public internet, or not one to talk to.
///
/// ```
/// use keyway_effects::http::AddressClass;
/// assert_eq!(AddressClass::of([169, 254, 169, 254].into()), Some(AddressClass::Metadata));
/// assert_eq!(AddressClass::of([93, 184, 216, 34].into()), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// For measurements: 198.18.0.0/15, 2001:2::/48.
    Benchmark,
    /// 255.255.255.255.
    Broadcast,
    /// Behind a provider's translation: 100.64.0.0/10.
    CarrierGrade,
    /// For examples: 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20.
    Documentation,
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// Where clouds hand out credentials, for example 169.254.169.254 and fd00:ec2::254.
    Metadata,
    /// 224.0.0.0/4, ff00::/8.
    Multicast,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16.
    Private,
    /// Set aside for something else: 192.0.0.0/24, 192.88.99.0/24, 240.0.0.0/4 and all of IPv6
    /// beyond 2000::/3.
    Reserved,
    /// Holds an IPv4 address that something on the way takes out: ::/96, ::ffff:0:0/96,
    /// 64:ff9b::/96, 64:ff9b:1::/48, 2002::/16, 2001::/32, ISATAP.
    Translated,
    /// fc00::/7, fec0::/10.
    UniqueLocal,
    /// 0.0.0.0/8, ::, which systems connect to themselves.
    Unspecified,
}

/// Where clouds hand out credentials to whoever asks from inside.
const METADATA_V4: [[u8; 4]; 6] = [
    [100, 100, 100, 200],
    [168, 63, 129, 16],
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 170, 23],
    [192, 0, 0, 192],
];
const METADATA_V6: [[u16; 8]; 3] = [
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23],
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
];

impl AddressClass {
    /// Returns the class of an address; `None` for one of the public internet.
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }

    /// Tells whether naming a host is enough to allow it; the rest takes the address itself.
    fn is_intranet(self) -> bool {
        use AddressClass as C;
        matches!(
            self,
            C::CarrierGrade | C::LinkLocal | C::Loopback | C::Private | C::UniqueLocal
        )
    }

    /// Tells whether nothing that answers HTTP can stand there.
    fn is_never(self) -> bool {
        matches!(self, Self::Broadcast | Self::Multicast | Self::Unspecified)
    }
}

/// Writes the class as it stands in "resolves to a … address".
impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Benchmark => "benchmark",
            Self::Broadcast => "broadcast",
            Self::CarrierGrade => "carrier-grade",
            Self::Documentation => "documentation",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Metadata => "cloud metadata",
            Self::Multicast => "multicast",
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::Translated => "translated",
            Self::UniqueLocal => "unique local",
            Self::Unspecified => "unspecified",
        })
    }
}

fn of_v4(ip: Ipv4Addr) -> Option<AddressClass> {
    use AddressClass as C;
    if METADATA_V4.contains(&ip.octets()) {
        return Some(C::Metadata);
    }
    Some(match ip.octets() {
        [0, ..] => C::Unspecified,
        [127, ..] => C::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => C::Private,
        [100, 64..=127, ..] => C::CarrierGrade,
        [169, 254, ..] => C::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => C::Documentation,
        [192, 0, 0, _] | [192, 88, 99, _] => C::Reserved,
        [198, 18 | 19, ..] => C::Benchmark,
        [224..=239, ..] => C::Multicast,
        [255, 255, 255, 255] => C::Broadcast,
        [240..=255, ..] => C::Reserved,
        _ => return None,
    })
}

fn of_v6(ip: Ipv6Addr) -> Option<AddressClass> {
    use AddressClass as C;
    if METADATA_V6.contains(&ip.segments()) {
        return Some(C::Metadata);
    }
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => C::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => C::Loopback,
        // ISATAP can stand behind every prefix.
        [.., 0 | 0x200, 0x5efe, _, _]
        | [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0 | 1, ..]
        | [0x2001, 0, ..]
        | [0x2002, ..] => C::Translated,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => C::UniqueLocal,
        [0xfe80..=0xfebf, ..] => C::LinkLocal,
        [0xff00..=0xffff, ..] => C::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => C::Documentation,
        [0x2001, 2, 0, ..] => C::Benchmark,
        [0x2000..=0x3fff, ..] => return None,
        _ => C::Reserved,
    })
}

/// Decides which addresses may be connected to: those of the public internet, and those that the
/// embedder allowed one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    allowed: Vec<Allowed>,
}

#[derive(Debug, Clone)]
enum Allowed {
    /// A host, at whatever address of an intranet it is.
    Host(String),
    /// The addresses that begin with these bits.
    Network { of: IpAddr, bits: u8 },
}

impl Guard {
    /// Allows a host name, an address, or a block of addresses such as `10.1.0.0/16`.
    pub(super) fn allow(&mut self, what: &str) -> Result<(), HttpSetupError> {
        let bad = || HttpSetupError::BadNetwork {
            found: keyway_host::text::excerpt(what).into_owned(),
        };
        let allowed = match what.split_once('/') {
            Some((of, bits)) => {
                let of: IpAddr = of.parse().map_err(|_| bad())?;
                let bits = bits.parse().ok().filter(|bits| *bits <= width(of));
                let bits = bits.ok_or_else(bad)?;
                Allowed::Network { of, bits }
            }
            None => match what.parse::<IpAddr>() {
                Ok(of) => Allowed::Network {
                    of,
                    bits: width(of),
                },
                Err(_) => {
                    let address = HttpAddress::parse(&format!("http://{what}/"));
                    let address = address.map_err(|_| bad())?;
                    Allowed::Host(address.host().to_owned())
                }
            },
        };
        self.allowed.push(allowed);
        Ok(())
    }

    /// Says why an address of a host is not connected to.
    pub(super) fn check(&self, host: &str, ip: IpAddr) -> Result<(), AddressClass> {
        match AddressClass::of(ip) {
            None => Ok(()),
            Some(class) if class.is_never() => Err(class),
            Some(class) if self.allowed.iter().any(|a| a.allows(host, ip, class)) => Ok(()),
            Some(class) => Err(class),
        }
    }
}

impl Allowed {
    fn allows(&self, name: &str, ip: IpAddr, class: AddressClass) -> bool {
        match self {
            Self::Host(host) => host == name && class.is_intranet(),
            // Credentials are given away by whole networks only by mistake.
            Self::Network { of, bits } if class == AddressClass::Metadata => {
                *of == ip && *bits == width(ip)
            }
            Self::Network { of, bits } => begins_alike(*of, ip, *bits),
        }
    }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn begins_alike(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = u64::from(a.to_bits() ^ b.to_bits());
            differ >> 32_u8.saturating_sub(bits) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            let drop = 128_u32.saturating_sub(bits.into());
            differ.checked_shr(drop).unwrap_or(0) == 0
        }
        _ => false,
    }
}
