//! `config.ini` of cc-heartbeat. Its sections of client properties are those of this program; `[admin]` is translated.

use super::{
    super::{
        ini,
        known::{EXAMPLE, Known},
        legacy::{self, AdminKey},
        place::Place,
        settings::Setting,
    },
    item::Item,
    output::Output,
};

/// Reads the file as the loader does, which also takes it unchanged.
pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let document = ini::parse(text);
    for bad in document.bad_lines {
        output.wrong(Some(bad.line), &bad.message);
    }
    let known = Known::from_example(&ini::parse(EXAMPLE));
    let (mut host, mut port) = (None, None);
    for ini::Entry { line, section, key, value } in document.entries {
        if key.contains(':') {
            // What follows the colon may be a password.
            output.wrong(Some(line), "expected key = value: write = instead of :");
            continue;
        }
        let item = Item::text(line, &[&format!("[{section}] {key}")], &*value);
        let admin = if section == "admin" { legacy::admin_key(&key, &value) } else { None };
        match admin {
            Some(AdminKey::Ours { section, key: own, value: translated }) => {
                if !key.ends_with(".seconds") || output.number_of(&item, 1).is_some() {
                    output.put(section, own, &translated, &item);
                }
            }
            Some(AdminKey::ListenerHost) => host = Some(item),
            Some(AdminKey::ListenerPort) => port = Some(item),
            Some(AdminKey::Ignored) => {
                output.leave_out(&item, "consumer groups are watched in the interval of [lag]");
            }
            None => {
                let own = legacy::section(&section);
                match known.problem(own, &key) {
                    Some(_) => output.leave_out(&item, "cc-heartbeat has no such key"),
                    None => output.put(own, &key, &value, &item),
                }
            }
        }
    }
    let setting = |item: &Item| Setting::new(item.written(), Place::Flag(""));
    let listener = legacy::listener(host.as_ref().map(setting), port.as_ref().map(setting));
    if let (Some(listener), Some(item)) = (listener, host.as_ref().or(port.as_ref())) {
        output.put("http", "listen", &listener.value, item);
    }
    if !output.has("kafka", "bootstrap.servers") {
        output.wrong(None, "[default] bootstrap.servers is missing: name the brokers there");
    }
}
