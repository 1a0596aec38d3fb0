"""What a pool asks of Ray, without Ray: actors are objects of this process."""

from types import SimpleNamespace

from opsin.launch.node import Ready, facts

HERE = facts(None, None)


class Method:
    """A method of an actor, a generator."""

    def __init__(self, call):
        self.call = call

    def options(self, **options):
        return self

    def remote(self, *arguments):
        return self.call(*arguments)


class Actor:
    """One that answers `run` with the messages of `script`, one list a call; an exception among them is raised."""

    def __init__(self, ray):
        self.ray, self.hello, self.run = ray, Method(self.say_hello), Method(self.play)

    def say_hello(self):
        yield "ready", Ready("paper", "id", HERE | self.ray.facts, self.ray.home, shared=True)

    def play(self, *arguments):
        for message in self.ray.script.pop(0):
            if isinstance(message, Exception):
                raise message
            yield message


class PaperRay:
    """`rooms` are the CPUs of each node; `hired` and `killed` the actors, `asked` how often the head was needed."""

    def __init__(self, rooms=(1, 1), script=(), home=None, make=Actor, **facts):
        self.rooms, self.script, self.home, self.make, self.facts = list(rooms), list(script), home, make, facts
        self.hired, self.killed, self.asked = [], [], 0

    def nodes(self):
        self.asked += 1
        return [{"Alive": room > 0, "Resources": {"CPU": float(room)}, "NodeID": str(room)} for room in self.rooms]

    def remote(self, **options):
        def kind(what):
            return SimpleNamespace(remote=lambda *arguments: self.start(what, arguments))

        return kind

    def start(self, what, arguments):
        if not isinstance(what, type):
            return what(*arguments)
        actor = self.make(self) if self.make is Actor else self.make(*arguments)
        self.hired.append(actor)
        return actor

    def kill(self, actor):
        self.asked += 1
        self.killed.append(actor)

    def put(self, value):
        return value

    def get(self, value):
        return value

    def wait(self, refs, **options):
        pass

    def get_runtime_context(self):
        return SimpleNamespace(get_node_id=lambda: "id")

    def is_initialized(self):
        return False
