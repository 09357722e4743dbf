//! Hubs on machines of their own, with cables between them that can be cut.

use std::net::Ipv4Addr;

use crate::{program, run};

/// Machines that a network has at most.
const MACHINES_MAX: u8 = 8;

/// A switch in this machine, to which each [`Machine`] has a cable.
///
/// While the cables are cut, what one machine sends to another is dropped without a word, as on a line that is
/// dead; the test itself still reaches them all. Needs what [`crate::Client::Namespaces`] names.
#[derive(Debug)]
pub struct Network {
    name: String,
    /// The third byte of every address.
    net: u8,
    machines: u8,
}

/// A network namespace with an address.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) namespace: String,
    pub(crate) address: Ipv4Addr,
}

impl Network {
    /// A network without machines.
    #[track_caller]
    pub fn create() -> Self {
        let pid = std::process::id();
        let name = format!("pl{pid}");
        let net = u8::try_from(pid % 256).expect("a byte");
        let network = Self { name, net, machines: 0 };
        let switch = network.name.as_str();
        ip(&["link", "add", switch, "type", "bridge"]);
        ip(&["address", "add", &format!("{}/24", network.address(1)), "dev", switch]);
        ip(&["link", "set", switch, "up"]);
        network
    }

    /// Addresses that RFC 2544 keeps for tests of networks.
    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.net, host)
    }

    fn namespace(&self, machine: u8) -> String {
        format!("{}m{machine}", self.name)
    }

    /// One more machine.
    #[track_caller]
    pub fn machine(&mut self) -> Machine {
        assert!(self.machines < MACHINES_MAX, "a small network");
        let (namespace, address) = (self.namespace(self.machines), self.address(self.machines + 2));
        self.machines += 1;
        let cable = namespace.as_str();
        ip(&["netns", "add", &namespace]);
        ip(&["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        ip(&["link", "set", cable, "master", &self.name, "up"]);
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "address", &mac(address), "up"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        // Each knows where every other is: on a dead line nobody would tell it, which it would notice at once.
        for other in (2..2 + MACHINES_MAX).map(|host| self.address(host)).filter(|other| *other != address) {
            let (to, at) = (other.to_string(), mac(other));
            ip(&[
                "-n",
                &namespace,
                "neighbour",
                "add",
                &to,
                "lladdr",
                &at,
                "dev",
                "eth0",
                "nud",
                "permanent",
            ]);
        }
        Machine { namespace, address }
    }

    /// Cuts the line between every two machines.
    #[track_caller]
    pub fn cut(&self) {
        self.isolate("on");
    }

    /// Mends it.
    #[track_caller]
    pub fn mend(&self) {
        self.isolate("off");
    }

    fn isolate(&self, how: &str) {
        for machine in 0..self.machines {
            let cable = self.namespace(machine);
            ip(&["link", "set", "dev", &cable, "type", "bridge_slave", "isolated", how]);
        }
    }
}

/// The hardware address of who has that address.
fn mac(address: Ipv4Addr) -> String {
    let [_, _, net, host] = address.octets();
    format!("02:00:00:00:{net:02x}:{host:02x}")
}

#[track_caller]
fn ip(args: &[&str]) {
    run(program("ip").args(args)).ok();
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in 0..self.machines {
            let _gone = run(program("ip").args(["netns", "delete", &self.namespace(machine)]));
        }
        let _gone = run(program("ip").args(["link", "delete", &self.name]));
    }
}
