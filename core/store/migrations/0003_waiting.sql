-- Devices that wait for a license seat are few: counting them counts those that hold one.
CREATE INDEX device_waiting ON device(id) WHERE NOT licensed;
