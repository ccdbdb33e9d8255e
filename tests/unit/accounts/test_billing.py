"""Which login is used, and which variables are kept from the agent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from signedin.accounts.billing import Account, Accounts, Vendor, assure_billing, choose_account
from signedin.accounts.homes import account_names
from signedin.accounts.status import AuthStatus
from signedin.model.errors import AuthRequiredError, BillingError, InvalidOptionError

KEPT_AWAY = (
    "ACME_KEY is set and would take precedence over the acme login; it is removed "
    "from the agent's environment (billing='api' lets it through)"
)


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(
        name="acme",
        home_variable="ACME_HOME",
        default_home=lambda: tmp_path / "acme",
        keys=("ACME_KEY", "ACME_OTHER_KEY"),
        addresses=("ACME_URL",),
        tokens=("ACME_TOKEN",),
        may_have_login=lambda home: (home / "login").is_file(),
    )


@pytest.fixture
def choose(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Account]:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    for name in (*vendor.keys, *vendor.addresses, *vendor.tokens, vendor.home_variable):
        monkeypatch.delenv(name, raising=False)

    def choose(**given: object) -> Account:
        return choose_account(
            vendor, **{"source": "auto", "name": None, "billing": None, "env": {}, **given}
        )

    return choose


def sign_in(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "login").touch()


def test_nobody_is_signed_in(choose: Callable[..., Account], tmp_path: Path) -> None:
    assert choose() == Account(
        vendor="acme", source="external", name=None, home=tmp_path / "acme", changes={}
    )
    assert list(tmp_path.iterdir()) == []


def test_the_vendors_own_home_can_be_moved(
    choose: Callable[..., Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_HOME", str(tmp_path / "moved"))
    assert choose().home == tmp_path / "moved"
    assert choose(env={"ACME_HOME": None}).home == tmp_path / "acme"
    assert choose(env={"ACME_HOME": "/given"}).home == Path("/given")
    sign_in(tmp_path / "signedin" / "acme")
    assert choose().home == tmp_path / "signedin" / "acme"
    assert choose(env={"ACME_HOME": "/given"}).home == Path("/given")
    assert choose(source="external").home == tmp_path / "moved"


def test_isolated_homes(choose: Callable[..., Account], tmp_path: Path) -> None:
    home = tmp_path / "signedin" / "acme"
    assert choose(source="isolated") == Account(
        vendor="acme", source="isolated", name=None, home=home, changes={"ACME_HOME": str(home)}
    )
    for source in ("auto", "isolated"):
        named = choose(source=source, name="work")
        assert (named.name, named.home) == ("work", home / "accounts" / "work")
    with pytest.raises(InvalidOptionError, match="must consist of letters"):
        choose(name="../work")


def test_without_a_login_a_key_is_let_through(
    choose: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k")
    assert choose().removed == ()
    assert choose(billing="api").removed == ()
    assert choose(billing="subscription").removed == ("ACME_KEY",)
    assert choose(source="isolated").removed == ("ACME_KEY",)


def test_with_a_login_a_key_is_kept_away(
    choose: Callable[..., Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(tmp_path / "acme")
    monkeypatch.setenv("ACME_KEY", "k")
    monkeypatch.setenv("ACME_OTHER_KEY", "")
    monkeypatch.setenv("ACME_URL", "http://elsewhere")
    account = choose()
    assert account.removed == ("ACME_KEY", "ACME_URL")
    assert account.changes == {"ACME_KEY": None, "ACME_URL": None}
    assert account.warnings()[0] == KEPT_AWAY
    assert choose(billing="api").changes == {}
    assert choose(env={"ACME_KEY": "mine", "ACME_URL": "mine"}).removed == ()
    assert choose(env={"ACME_KEY": None}).removed == ("ACME_URL",)


def test_a_token_is_a_login(
    choose: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "k")
    monkeypatch.setenv("ACME_TOKEN", "t")
    assert choose().removed == ("ACME_KEY",)
    assert choose(source="isolated").removed == ("ACME_KEY", "ACME_TOKEN")


def test_what_is_given_must_not_contradict(choose: Callable[..., Account]) -> None:
    with pytest.raises(BillingError, match=r"contradict each other: ACME_KEY takes precedence"):
        choose(billing="subscription", env={"ACME_KEY": "k"})
    assert choose(billing="subscription", env={"ACME_KEY": None, "ACME_URL": "u"}).removed == ()


def test_a_client_decides_once(
    vendor: Vendor, choose: Callable[..., Account], tmp_path: Path
) -> None:
    accounts = Accounts(vendor, "auto", None, None)
    assert accounts.choose({}).source == "external"
    sign_in(tmp_path / "signedin" / "acme")
    assert accounts.choose({}).source == "external"
    assert accounts.choose_for_login({}).source == "isolated"
    accounts.forget()
    assert accounts.choose({}).source == "isolated"
    assert Accounts(vendor, "external", None, None).choose_for_login({}).source == "external"


def test_assuring() -> None:
    status = AuthStatus(provider="acme", installed=True, authenticated=True, billing="cloud")
    assure_billing(status, None)
    with pytest.raises(BillingError) as raised:
        assure_billing(status, "subscription")
    assert str(raised.value) == (
        "billing='subscription' cannot be assured: what pays for acme is a cloud provider's "
        "account. See: signedin auth status --provider acme"
    )


def test_account_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    assert account_names("acme") == []
    (tmp_path / "acme" / "accounts" / "b").mkdir(parents=True)
    (tmp_path / "acme" / "accounts" / "a").mkdir()
    (tmp_path / "acme" / "accounts" / "file").touch()
    assert account_names("acme") == ["a", "b"]
    (tmp_path / "acme" / "login").touch()
    assert account_names("acme") == [None, "a", "b"]


def test_a_name_that_nobody_has_is_an_error_and_no_home(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    (tmp_path / "acme" / "accounts" / "work").mkdir(parents=True)
    with pytest.raises(AuthRequiredError) as raised:
        Accounts(vendor, "auto", "wrok", None).choose({})
    assert raised.value.message == (
        "there is no acme login named 'wrok' (known: work). Sign in with: signedin auth login "
        "--provider acme --account wrok"
    )
    assert Accounts(vendor, "auto", "work", None).choose({}).name == "work"
    assert [path.name for path in (tmp_path / "acme" / "accounts").iterdir()] == ["work"]
