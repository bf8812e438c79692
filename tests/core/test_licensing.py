"""Only a genuine license, for this site and in force, counts; everything else is refused with the reason."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448
from hypothesis import given
from hypothesis import strategies as st

from core import licensing
from core.errors import FieldhandError, Kind

PRIVATE, PUBLIC = licensing.generate_key()
KEY = licensing.load_public_key(PUBLIC)
NOW = datetime(2027, 5, 1, tzinfo=UTC)


def refusal(text: str, site: str = "plant") -> str:
    with pytest.raises(FieldhandError) as refused:
        licensing.verify(text, KEY, site, NOW)
    assert refused.value.kind is Kind.LICENSE
    return str(refused.value)


def altered(text: str, **fields: Any) -> str:
    signed = json.loads(text)
    signed["license"].update(fields)
    return json.dumps(signed)


def test_a_genuine_license_is_taken() -> None:
    text = licensing.issue(PRIVATE, 50, "plant", NOW + timedelta(days=1))
    terms = licensing.verify(text, KEY, "plant", NOW)
    assert (terms.devices, terms.site, terms.expires) == (50, "plant", NOW + timedelta(days=1))
    assert licensing.named_key(text) == licensing.key_id(KEY)


def test_a_license_for_any_site_is_good_for_this_one() -> None:
    assert licensing.verify(licensing.issue(PRIVATE, 50), KEY, "plant", NOW).expires is None


def test_a_license_signed_by_somebody_else_is_refused() -> None:
    forger, _ = licensing.generate_key()
    assert "signature does not match" in refusal(licensing.issue(forger, 50))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"devices": 51},
        {"site": "elsewhere"},
        {"site": None},
        {"issued": "2020-01-01T00:00:00Z"},
        {"expires": "2099-01-01T00:00:00Z"},
        {"expires": None},
    ],
    ids=str,
)
def test_a_license_altered_in_any_field_is_refused(change: dict[str, Any]) -> None:
    text = licensing.issue(PRIVATE, 50, "plant", NOW + timedelta(days=1))
    assert "signature does not match" in refusal(altered(text, **change))


def test_the_test_above_alters_every_field() -> None:
    assert set(licensing.Terms.model_fields) == {"id", "devices", "site", "issued", "expires"}


def test_a_license_may_be_written_with_other_blanks() -> None:
    text = licensing.issue(PRIVATE, 50)
    assert licensing.verify(json.dumps(json.loads(text)), KEY, "plant", NOW).devices == 50


def test_a_license_for_another_site_names_both() -> None:
    said = refusal(licensing.issue(PRIVATE, 50, "harbour"))
    assert "'harbour'" in said
    assert "'plant'" in said


def test_a_license_ends_at_the_second_it_names() -> None:
    text = licensing.issue(PRIVATE, 50, expires=NOW)
    assert "expired on 2027-05-01" in refusal(text)
    assert licensing.verify(text, KEY, "plant", NOW - timedelta(seconds=1))


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "é", "A" * 88])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    signed = json.loads(licensing.issue(PRIVATE, 50))
    assert "signature does not match" in refusal(json.dumps({**signed, "signature": signature}))


def test_a_time_without_its_zone_is_no_time() -> None:
    assert "expires" in refusal(altered(licensing.issue(PRIVATE, 50), expires="2028-01-01T00:00:00"))
    with pytest.raises(FieldhandError) as refused:
        licensing.issue(PRIVATE, 50, expires=datetime(2028, 1, 1))
    assert refused.value.kind is Kind.LICENSE


@pytest.mark.parametrize("devices", [0, -1, 1_000_001])
def test_a_license_for_an_absurd_number_of_devices_is_not_issued(devices: int) -> None:
    with pytest.raises(FieldhandError) as refused:
        licensing.issue(PRIVATE, devices)
    assert "devices" in str(refused.value)


@given(st.text())
def test_garbage_is_no_license_and_no_key(text: str) -> None:
    for reader in (licensing.named_key, licensing.load_public_key):
        with pytest.raises(FieldhandError) as refused:
            reader(text)
        assert refused.value.kind is Kind.LICENSE


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["license", "key", "signature", "id", "devices", "site", "issued", "expires"]), inner
        ),
    )
)
def test_json_of_any_other_shape_is_no_license(value: Any) -> None:
    with pytest.raises(FieldhandError) as refused:
        licensing.verify(json.dumps(value), KEY, "plant", NOW)
    assert refused.value.kind is Kind.LICENSE


def test_a_private_key_is_not_trusted_and_its_owner_is_told_which_file_to_give() -> None:
    with pytest.raises(FieldhandError) as refused:
        licensing.load_public_key(PRIVATE)
    assert ".pub" in str(refused.value)


def test_keys_of_another_kind_are_refused() -> None:
    other = ed448.Ed448PrivateKey.generate()
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(FieldhandError, match="no Ed25519 key"):
        licensing.load_public_key(public.decode())
    with pytest.raises(FieldhandError, match="no Ed25519 key"):
        licensing.issue(private.decode(), 50)
    with pytest.raises(FieldhandError, match="no private key"):
        licensing.issue(PUBLIC, 50)
