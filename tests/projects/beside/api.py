"""What ``import uwsgi`` offers, told in JSON: every name with the kind of its value, and the kinds of what functions return."""

import json

import uwsgi


def kind(value):
    if isinstance(value, dict):
        return {str(name): kind(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(kind(one) for one in value)]
    return "callable" if callable(value) else type(value).__name__


def result(name, arguments):
    try:
        return kind(getattr(uwsgi, name)(*arguments))
    except Exception as error:
        return f"raises {type(error).__name__}"


def application(environ, start_response):
    names = {name: kind(getattr(uwsgi, name)) for name in dir(uwsgi) if not name.startswith("__")}
    calls = [
        ("accepting",), ("cl",), ("connection_fd",), ("get_logvar", "none"), ("i_am_the_lord", "legion"),
        ("i_am_the_spooler",), ("in_farm", "farm"), ("is_connected", 0), ("is_locked",), ("listen_queue",), ("lock",),
        ("log", "a line"), ("log_this_request",), ("logsize",), ("masterpid",), ("mem",), ("metric_get", "none"),
        ("micros",), ("mule_id",), ("ready",), ("ready_fd",), ("register_rpc", "f", print), ("request_id",),
        ("rpc_list",), ("set_logvar", "a", "b"), ("setprocname", "name"), ("signal_registered", 1),
        ("spooler_jobs",), ("spooler_pid",), ("spooler_pids",), ("total_requests",), ("unlock",), ("worker_id",),
        ("workers",), ("cache_clear",), ("cache_del", "none"), ("cache_exists", "k"), ("cache_get", "k"),
        ("cache_inc", "n"), ("cache_keys",), ("cache_num", "n"), ("cache_set", "k", "v"), ("cache_set", "k", "w"),
        ("cache_get", "k"), ("cache_exists", "k"), ("cache_keys",), ("cache_update", "k", "x"), ("cache_del", "k"),
        ("queue_push", "a"), ("queue_last",), ("queue_pull",), ("queue_push", "a"), ("queue_pop",), ("queue_slot",),
        ("queue_pull_slot",), ("queue_set", 1, "b"), ("queue_get", 1), ("sharedarea_write", 0, 0, "abc"),
        ("sharedarea_read", 0, 0, 3), ("sharedarea_rlock", 0), ("sharedarea_unlock", 0),
        ("set_user_harakiri", 60), ("set_user_harakiri", 0), ("add_var", "a", "b"), ("offload", "x"),
        ("set_warning_message", "x"), ("suspend",), ("async_sleep", 0), ("parsefile", "/dev/null"),
    ]  # fmt: skip
    answers = [[name, arguments, result(name, arguments)] for name, *arguments in calls if hasattr(uwsgi, name)]
    uwsgi.start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"names": names, "answers": answers}, default=str).encode()]
