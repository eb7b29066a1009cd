"""The suite of logs finds what is wrong with them, and nothing where nothing is."""

import json

import pytest

from moopt.core.checks import InputError
from moopt.storage import Journal
from moopt.testing import ContractError, check_log, check_shared_log

HEAD = b'{"log": 1}\n'


class Lines:
    """A file of lines: a head, then a line for each append."""

    def __init__(self, path):
        self.path = path
        if not path.exists():
            path.write_bytes(HEAD)
        self.events()

    def events(self):
        content = self.path.read_bytes()
        if not content.startswith(HEAD):
            raise InputError(f"{self.path.name}: expected a log, got a foreign file")
        lines = content[len(HEAD) :].split(b"\n")
        return [event for line in lines[:-1] for event in self.parsed(line)]

    def parsed(self, line):
        try:
            return json.loads(line)
        except ValueError:
            raise InputError(f"{self.path.name}: expected JSON, got damage") from None

    def append(self, events):
        line = json.dumps(list(events)).encode() + b"\n"
        content = self.path.read_bytes()
        self.path.write_bytes(content[: content.rindex(b"\n") + 1] + line)

    def read(self, after=0):
        return list(enumerate(self.events(), 1))[after:]

    def close(self):
        pass


class Torn(Lines):
    """Goes on after a torn end, in the same line."""

    def append(self, events):
        with open(self.path, "ab") as file:
            file.write(json.dumps(list(events)).encode() + b"\n")


class Keeping(Lines):
    """Believes what a torn line still says."""

    def events(self):
        content = self.path.read_bytes()
        last = content[content.rindex(b"\n") + 1 :]
        return super().events() + (json.loads(last) if last.endswith(b"]") else [])


class Buffering(Lines):
    """Writes when it is closed."""

    def __init__(self, path):
        self.waiting = []
        super().__init__(path)

    def append(self, events):
        json.dumps(events)
        self.waiting += events

    def read(self, after=0):
        return list(enumerate([*self.events(), *self.waiting], 1))[after:]

    def close(self):
        super().append(self.waiting)


class Piecemeal(Lines):
    """Writes events one by one, so that a bad one leaves those before it."""

    def append(self, events):
        for event in events:
            super().append([event])


class Caching(Lines):
    """Reads once."""

    def __init__(self, path):
        super().__init__(path)
        self.known = super().events()

    def append(self, events):
        super().append(events)
        self.known += events

    def read(self, after=0):
        return list(enumerate(self.known, 1))[after:]


class FromZero(Lines):
    def read(self, after=0):
        return list(enumerate(self.events()))[after:]


class Reversing(Lines):
    """The newest first, of those that it reads again."""

    def events(self):
        return super().events()[::-1]


class Tolerant(Lines):
    """Passes over what it does not understand."""

    def parsed(self, line):
        try:
            return json.loads(line)
        except ValueError:
            return []


class Destroying(Lines):
    """Begins anew where a file is foreign."""

    def __init__(self, path):
        if path.exists() and not path.read_bytes().startswith(HEAD):
            path.write_bytes(HEAD)
        super().__init__(path)


@pytest.mark.parametrize(
    "kind, sentence",
    [
        (Torn, "torn at byte .* and written on, it is another|expected JSON"),
        (Keeping, "it loses or keeps what it should not"), (Buffering, "does not see what is written"),
        (Piecemeal, "an event that it refused, or one beside it, was kept"),
        (Caching, "who opened it before does not see"), (FromZero, "its writer does not read what it wrote"),
        (Reversing, "its writer does not read what it wrote"), (Tolerant, "an InputError for damage before its end"),
        (Destroying, "an InputError for a foreign file"),
    ],
)  # fmt: skip
def test_broken_logs_are_found(kind, sentence):
    with pytest.raises((ContractError, InputError), match=sentence):
        check_log(kind)


def test_a_sound_log_passes():
    check_log(Lines)
    check_log(Tolerant, is_file=False)  # whose ends nobody can tear


class Apart(Journal):
    """Writes the events of a group one by one."""

    def append(self, events):
        return [super(Apart, self).append([event]) for event in events][-1]


class Generous(Journal):
    """Gives every lease to everybody."""

    def lock(self, name, seconds):
        (self.beside / f"{name.replace('/', '%2F').replace(' ', '%20')}.lease").unlink(missing_ok=True)
        return super().lock(name, seconds)


class Stingy(Journal):
    """Never ends a lease."""

    def lock(self, name, seconds):
        return super().lock(name, 1e9)


class Widening(Journal):
    """Keeps numbers in double precision."""

    def append(self, events):
        return super().append([{k: v.double() if hasattr(v, "double") else v for k, v in e.items()} for e in events])


@pytest.mark.parametrize(
    "kind, sentence",
    [
        (Apart, "do not stand side by side|IndexError"), (Generous, "gives a lease that is held"),
        (Stingy, "a lease does not end by itself"), (Widening, "tensors come back with other bits"),
    ],
)  # fmt: skip
def test_broken_sharing_is_found(kind, sentence):
    with pytest.raises(ContractError, match=sentence):
        check_shared_log(kind)
