"""Seals: they remember the head of every ledger, and whatever is done to ledgers or seals afterwards is found."""

import json
import stat
import time
import tracemalloc
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import counting, seals, tasks, verification
from credits.checksums import WALLET, checksum
from credits.models import LedgerEntry, Reservation, Wallet
from credits.reconcile import reconcile
from organizations import jobs
from organizations.models import Finding, Organization
from tests import factories as f
from tests.credits.sealing import folder as folder
from tests.credits.tampering import hash_of, make_world, tamper, tampered
from usage.reconcile import CHECKS

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND, THIRD = f.at("2026-06-10"), f.at("2026-06-11"), f.at("2026-06-12")
LAST = "number = (SELECT max(n.number) FROM credits_ledgerentry n WHERE n.wallet_id = e.wallet_id)"


def problems(*, every: bool = False) -> list[str]:
    """Return what is wrong with the seals, in words."""
    return [problem.problem for problem in seals.check(every=every)]


def forge(path: Path, lines: list[bytes]) -> None:
    """Write a seal anew, as somebody may who owns the folder."""
    path.unlink()
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def finish(now: datetime, place: seals.Place | None) -> None:
    """Go on with a seal from a place to its end."""
    while place is not None:
        place = seals.seal_on(now, place).place


def rewrite_the_tail(organization: Organization, *, after: int) -> None:
    """Change the reason of the next entry, and write it and all that follow with hashes that fit, in the ledger and in the wallet."""
    wallet = f.wallet_of(organization)
    entries = list(LedgerEntry.objects.filter(wallet=wallet, number__gt=after).order_by("number"))
    previous = bytes(entries[0].previous_hash)
    entries[0].reason = "a gift"
    for entry in entries:
        before, previous = (
            previous,
            hash_of(
                entry, reason=f"'{entry.reason}'", previous_hash=f"'\\x{previous.hex()}'::bytea"
            ),
        )
        tamper(
            f"UPDATE credits_ledgerentry SET reason = '{entry.reason}', hash = '\\x{previous.hex()}',"
            f" previous_hash = '\\x{before.hex()}' WHERE id = '{entry.id}'"
        )
    tamper(f"UPDATE credits_wallet SET head_hash = '\\x{previous.hex()}' WHERE id = '{wallet.id}'")
    tamper(
        f"UPDATE credits_wallet w SET checksum = {checksum('w', WALLET)} WHERE id = '{wallet.id}'"
    )


class TestSeal:
    def test_writes_the_head_of_every_wallet(self, folder: Path) -> None:
        make_world()

        path = seals.seal(FIRST)

        first, *heads, last = [json.loads(line) for line in lines_of(path)]
        assert path == folder / "2026-06-10.jsonl"
        assert first["continues"] is None
        assert last["wallets"] == len(heads) == 3
        assert {head["wallet"]: (head["number"], head["hash"]) for head in heads} == {
            str(wallet.id): (wallet.head_number, bytes(wallet.head_hash).hex())
            for wallet in Wallet.objects.all()
        }
        ended = LedgerEntry.objects.get(hash=bytes.fromhex(heads[0]["hash"]))
        assert datetime.fromisoformat(heads[0]["at"]) == ended.posted_at

    def test_happens_once_a_day_and_never_changes_what_is_there(self) -> None:
        parent, _ = make_world()
        path = seals.seal(FIRST)
        written = path.read_bytes()
        f.grant(parent, 1, now=FIRST)

        again = seals.seal(FIRST.replace(hour=23))

        assert again == path
        assert path.read_bytes() == written

    def test_leaves_the_seal_of_somebody_who_was_faster(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_world()
        path = seals.seal(FIRST)
        written = path.read_bytes()
        monkeypatch.setattr(Path, "exists", lambda self: False)

        finish(FIRST, seals._begin_writing(None, FIRST))

        assert path.read_bytes() == written
        assert [each.name for each in folder.iterdir()] == [path.name]

    def test_is_read_only_and_leaves_nothing_beside_it(self, folder: Path) -> None:
        make_world()

        path = seals.seal(FIRST)

        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert list(folder.iterdir()) == [path]

    def test_is_of_the_day_in_utc(self) -> None:
        path = seals.seal(datetime.fromisoformat("2026-06-11T01:00:00+02:00"))

        assert path.name == "2026-06-10.jsonl"

    def test_puts_nothing_in_place_if_it_cannot_be_written_whole(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_world()
        monkeypatch.setattr(seals, "HEADS", seals.HEADS.replace("w.head_number,", "1 / 0,"))

        with pytest.raises(Exception, match="division by zero"):
            seals.seal(FIRST)

        assert list(folder.iterdir()) == []

    def test_reads_wallets_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seals, "BATCH", 2)
        make_world()

        path = seals.seal(FIRST)

        assert len(lines_of(path)) == 2 + 3
        assert problems() == []

    @pytest.mark.broken_books
    def test_refuses_to_build_on_a_seal_that_does_not_fit(self, folder: Path) -> None:
        parent, _ = make_world()
        seals.seal(FIRST)
        rewrite_the_tail(parent, after=f.wallet_of(parent).head_number - 1)

        with pytest.raises(
            seals.SealBroken, match=f"of wallet {parent.wallet.id}: the entry is not"
        ):
            seals.seal(SECOND)

        assert len(list(folder.iterdir())) == 1

    def test_refuses_a_day_before_the_newest_seal(self) -> None:
        seals.seal(SECOND)

        with pytest.raises(seals.SealBroken, match=r"2026-06-11\.jsonl is there already"):
            seals.seal(FIRST)


class TestCheck:
    def test_finds_nothing_while_honest_work_goes_on(self) -> None:
        parent, child = make_world()
        for now in (FIRST, SECOND, THIRD):
            seals.seal(now)
            f.grant(parent, 5, now=now)
            f.reserve(child, 1, now=now)

        assert problems(every=True) == []

    def test_finds_nothing_where_nothing_was_sealed(self) -> None:
        make_world()

        assert problems(every=True) == []

    @pytest.mark.broken_books
    @pytest.mark.parametrize("back", [1, 3])
    def test_finds_a_tail_that_was_rewritten_with_hashes_that_fit(self, back: int) -> None:
        parent, _ = make_world()
        seals.seal(FIRST)
        head = f.wallet_of(parent).head_number

        rewrite_the_tail(parent, after=head - back)

        # Nothing inside the database tells.
        assert reconcile(CHECKS) == []
        assert [verification.verify(wallet) for wallet in Wallet.objects.all()] == [None] * 3
        (found,) = seals.check()
        assert (found.wallet_id, found.number, found.organization_id) == (
            parent.wallet.id,
            head,
            parent.id,
        )
        assert "written anew" in found.problem

    def test_finds_an_entry_that_is_not_there_any_more(self) -> None:
        parent, _ = make_world()
        seals.seal(FIRST)

        with tampered(
            f"DELETE FROM credits_ledgerentry e WHERE {LAST} AND e.wallet_id = '{parent.wallet.id}'"
        ):
            found = problems()

        assert found == ["the entry was sealed and is not there any more"]

    def test_finds_a_wallet_that_is_not_there_any_more(self) -> None:
        parent, _ = make_world()
        seals.seal(FIRST)

        with tampered(f"DELETE FROM credits_wallet WHERE id = '{parent.wallet.id}'"):
            found = problems()

        assert found == ["the wallet is not there any more"]

    def test_finds_a_wallet_that_was_given_to_another_organization(self) -> None:
        parent, _ = make_world()
        seals.seal(FIRST)

        with tampered(
            "UPDATE credits_wallet SET organization_id = gen_random_uuid()"
            f" WHERE id = '{parent.wallet.id}'"
        ):
            (found,) = problems()

        assert found.startswith(f"it was organization {parent.id}'s and is ")

    def test_finds_a_reservation_that_is_not_there_any_more(self) -> None:
        _, child = make_world()
        seals.seal(FIRST)
        f.reserve(child, 1, now=SECOND)

        with tampered("DELETE FROM credits_reservation WHERE status = 'expired'") as deleted:
            found = problems()

        assert deleted == 1
        assert found == ["6 reservations were sealed, 5 of them are there"]

    def test_looks_at_older_seals_only_if_it_is_told_to(self) -> None:
        make_world()
        first = seals.seal(FIRST)
        seals.seal(SECOND)
        seals.seal(THIRD)
        lines = lines_of(first)
        forge(first, [*lines[:2], lines[2].replace(b'"number":', b'"number":1'), *lines[3:]])

        assert problems() == []
        assert len(problems(every=True)) == 3

    @pytest.mark.parametrize(
        "edit",
        [
            lambda lines: [*lines[:-1], b'{"wallets":3}'],
            lambda lines: lines[:-1],
            lambda lines: lines[:2],
            lambda lines: [*lines[:2], *lines[3:]],
            lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
            lambda lines: [*lines[:2], lines[2].replace(b'"reservations":', b'"reservations":0'), *lines[3:]],
            lambda lines: [*lines[:2], b"nonsense", *lines[3:]],
            lambda lines: [*lines[:2], b"[" * 100_000, *lines[3:]],
            lambda lines: [lines[0].replace(b"2026-06-11T", b"2026-06-10T"), *lines[1:]],
            lambda lines: [],
            lambda lines: [b"\xff"],
        ],
    )  # fmt: skip
    def test_finds_lines_that_were_changed_or_taken_away(self, edit: object) -> None:
        make_world()
        seals.seal(FIRST)
        path = seals.seal(SECOND)
        assert callable(edit)

        forge(path, edit(lines_of(path)))

        assert problems() != []

    def test_finds_a_seal_that_was_changed_or_taken_away(self) -> None:
        make_world()
        first, second, _ = (seals.seal(now) for now in (FIRST, SECOND, THIRD))
        second.unlink()

        assert problems() == [
            "it does not continue 2026-06-10.jsonl: one of them was changed, or seals between taken away"
        ]
        first.unlink()
        assert problems() == [
            "it does not continue nothing: one of them was changed, or seals between taken away"
        ]

    def test_finds_a_seal_before_that_was_written_anew_as_a_whole(self, folder: Path) -> None:
        make_world()
        first = seals.seal(FIRST)
        second = seals.seal(SECOND)
        first.unlink()
        second.rename(folder / "elsewhere")
        finish(FIRST, seals._begin_writing(None, f.at("2026-06-10 01:00")))
        (folder / "elsewhere").rename(second)

        assert problems() != []


class TestPortions:
    """However many wallets and reservations there are, no statement looks at more than so many of them."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seals, "BATCH", 2)
        monkeypatch.setattr(seals, "MOST", 2)
        monkeypatch.setattr(counting, "MOST", 2)
        monkeypatch.setattr(counting, "PORTION", 2)

    def test_count_what_one_statement_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, child = make_world()
        path = seals.seal(FIRST)
        in_portions = [json.loads(line).get("reservations") for line in lines_of(path)]
        found = problems()
        monkeypatch.undo()

        assert Reservation.objects.filter(wallet__organization=child).count() == 6
        assert sorted(in_portions[1:-1]) == [0, 0, 6]
        assert found == []

    @pytest.mark.parametrize("after", ["", "AND created_at > '2026-06-10'"], ids=["sealed", "new"])
    def test_find_what_is_deleted_and_only_what_was_sealed(self, after: str) -> None:
        _, child = make_world()
        seals.seal(FIRST)
        for _ in range(3):
            f.reserve(child, 1, now=SECOND)

        with tampered(f"DELETE FROM credits_reservation WHERE status <> 'settled' {after}"):
            found = problems()

        assert len(found) == (0 if after else 1)

    def test_go_on_from_a_place_that_the_job_keeps(self, folder: Path) -> None:
        make_world()
        seals.seal(FIRST)
        place, portions = None, 0

        while not portions or place is not None:
            with CaptureQueriesContext(connection) as captured:
                step = seals.seal_on(SECOND, json.loads(json.dumps(place)))
            counted = [q["sql"] for q in captured.captured_queries if "count(*)" in q["sql"]]
            assert len(counted) <= 2
            assert not step.problems
            place, portions = step.place, portions + 1

        assert portions > 10
        assert problems(every=True) == []
        assert [each.name for each in sorted(folder.iterdir())] == [
            "2026-06-10.jsonl",
            "2026-06-11.jsonl",
        ]

    def test_of_a_job_seal_nothing_on_top_of_what_does_not_fit(self, folder: Path) -> None:
        make_world()
        seals.seal(FIRST)

        with tampered("DELETE FROM credits_reservation WHERE status = 'expired'"):
            jobs.run(tasks.SEAL, now=lambda: SECOND, worker="w")
            (found,) = Finding.objects.all()

        said = "6 reservations were sealed, 5 of them are there (seal 2026-06-10.jsonl)"
        assert found.detail == said
        assert [each.name for each in folder.iterdir()] == ["2026-06-10.jsonl"]

    def test_begin_again_where_the_unfinished_seal_is_gone(self, folder: Path) -> None:
        make_world()
        place = seals.seal_on(FIRST, seals.seal_on(FIRST, None).place).place
        (unfinished,) = folder.iterdir()
        unfinished.unlink()

        finish(FIRST, place)

        assert problems() == []

    def test_forget_what_a_worker_wrote_that_could_not_say_so(self, folder: Path) -> None:
        make_world()
        place = seals.seal_on(FIRST, None).place
        seals.seal_on(FIRST, place)

        finish(FIRST, place)

        assert problems() == []

    def test_put_nothing_in_place_that_was_changed_meanwhile(self, folder: Path) -> None:
        make_world()
        place = seals.seal_on(FIRST, seals.seal_on(FIRST, None).place).place
        (unfinished,) = folder.iterdir()
        unfinished.write_bytes(unfinished.read_bytes().replace(b'"number":', b'"number":1'))

        with pytest.raises(seals.SealBroken, match="was changed while it was written"):
            finish(FIRST, place)

        assert list(folder.iterdir()) == []

    def test_of_yesterday_are_swept(self, folder: Path) -> None:
        seals.seal_on(FIRST, None)

        seals.seal(SECOND)

        assert [each.name for each in folder.iterdir()] == ["2026-06-11.jsonl"]


class TestCommands:
    def test_say_what_was_sealed(self) -> None:
        make_world()
        out = StringIO()

        call_command("seal_ledger", stdout=out)
        call_command("verify_ledger", stdout=out)
        call_command("verify_ledger", every_seal=True, stdout=out)

        path, newest, every = out.getvalue().splitlines()
        today = Path(path).stem
        assert newest == f"3 ledgers, every hash fits; the newest seal fits, {today}"
        assert every == f"3 ledgers, every hash fits; every seal fits, {today}"
        assert abs((datetime.fromisoformat(today).replace(tzinfo=UTC) - datetime.now(UTC)).days) < 2

    @pytest.mark.broken_books
    def test_name_the_wallet_the_number_and_the_seal(self) -> None:
        parent, child = make_world()
        seals.seal(FIRST)
        head = f.wallet_of(parent).head_number
        rewrite_the_tail(parent, after=head - 1)
        out = StringIO()

        with pytest.raises(CommandError, match="1 lines of seals do not fit"):
            call_command("verify_ledger", stdout=out)
        call_command("verify_ledger", organization=child.public_id, stdout=StringIO())
        with pytest.raises(CommandError, match="not sealed"):
            call_command("seal_ledger")

        assert out.getvalue() == (
            f"{parent.public_id} (Harbour Reseller): entry {head} of wallet {parent.wallet.id}: the entry is not the one that was"
            " sealed: it or one before it was written anew (seal 2026-06-10.jsonl)\n"
        )


class TestFinding:
    def test_knows_the_organization_only_if_it_is_there(self) -> None:
        organization = f.make_organization()
        problem = seals.Problem("s", "p", organization.wallet.id, 1, organization.id)

        assert seals.finding(problem).organization_id == organization.id
        assert (
            seals.finding(problem._replace(organization_id=problem.wallet_id)).organization_id
            is None
        )


class TestManyWallets:
    @pytest.mark.slow
    @pytest.mark.broken_books
    def test_are_sealed_and_checked_in_seconds_and_in_little_memory(self) -> None:
        make_wallets(10_000)
        tracemalloc.start()
        began = time.monotonic()

        path = seals.seal(FIRST)
        found = problems()

        seconds = time.monotonic() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(lines_of(path)) == 2 + 10_000
        assert found == []
        assert seconds < 30
        assert peak < 10_000_000


def make_wallets(count: int) -> None:
    """Write so many wallets with an entry each, past the ledger: nothing but the seals looks at them."""
    tamper(
        "WITH wallets AS ("
        " INSERT INTO credits_wallet (id, organization_id, balance, reserved, allowance_remaining, head_number, head_hash,"
        " created_at, checksum)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 1, 0, 0, 1, sha256(n::text::bytea), '2026-05-10Z', ''"
        f" FROM generate_series(1, {count}) n RETURNING id, head_hash)"
        " INSERT INTO credits_ledgerentry (id, wallet_id, number, period_id, kind, amount, balance_after, allowance_after,"
        " reason, metadata, performed_by, posted_at, previous_hash, hash)"
        " SELECT gen_random_uuid(), id, 1, 1, 'grant', 1, 1, 0, '', '{}', 'x', '2026-05-10Z', '', head_hash FROM wallets"
    )
