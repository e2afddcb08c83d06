/* SPDX-License-Identifier: MIT */
/*
 * The way that Python has itself since 3.14 (PEP 768): fields of a thread's state say which
 * file the thread is to run when it next looks.  Where the fields are the runtime tells
 * (_Py_DebugOffsets.debugger_support, Include/internal/pycore_debug_offsets.h), from an offset on
 * that each version has.
 */
#include <stdio.h>
#include <string.h>

#include "stub/act_priv.h"

#define PLEASE_STOP (1u << 5) /* Include/internal/pycore_ceval.h */
#define FIELD_MAX   (1u << 20)

/* struct _debugger_support */
struct support {
	uint64_t eval_breaker, remote_debugger_support, remote_debugging_enabled,
		debugger_pending_call, debugger_script_path, debugger_script_path_size;
};

static const struct {
	uint32_t minor;
	uint32_t at; /* in _Py_DebugOffsets, which _PyRuntime begins with */
} supports[] = { { 14, 712 }, { 15, 840 } };

static bool is_sane(const struct support *s)
{
	return s->eval_breaker < FIELD_MAX && s->remote_debugger_support < FIELD_MAX &&
	       s->remote_debugging_enabled < FIELD_MAX && s->debugger_pending_call < FIELD_MAX &&
	       s->debugger_script_path < FIELD_MAX && s->debugger_script_path_size >= 64 &&
	       s->debugger_script_path_size < 65536;
}

static struct err *find(struct target *t, struct python *py, struct support *ret)
{
	const struct py_runtime *rt;
	const struct space *space;

	struct err *err = target_space(t, &space);
	if (!err)
		err = python_runtime(py, space, &rt);
	if (err)
		return err;
	uint32_t minor = rt->off.version_hex >> 16 & 0xff;
	for (size_t i = 0; i < sizeof(supports) / sizeof(supports[0]); i++) {
		if (supports[i].minor != minor)
			continue;
		err = mem_read(&t->mem, rt->addr + supports[i].at, ret, sizeof(*ret));
		if (!err && !is_sane(ret))
			err = err_new(ERR_BAD_DATA, "this Python's offsets for PEP 768 are wrong");
		return err;
	}
	return err_new(ERR_STATE,
		       "PEP 768 came with 3.14, and is known to 3.15: this Python is 3.%u", minor);
}

struct err *act_official_check(struct act *a, struct target *t, struct python *py)
{
	struct support s;
	uint32_t enabled = 0, pending = 0;

	struct err *err = find(t, py, &s);
	if (!err)
		err = mem_read(&t->mem, a->interp + s.remote_debugging_enabled, &enabled,
			       sizeof(enabled));
	if (!err)
		err = mem_read(&t->mem,
			       a->state + s.remote_debugger_support + s.debugger_pending_call,
			       &pending, sizeof(pending));
	if (err)
		return err;
	if (enabled != 1)
		return err_new(ERR_STATE,
			       "remote debugging is disabled there (-X disable-remote-debug, "
			       "PYTHON_DISABLE_REMOTE_DEBUG, or its build)");
	if (pending)
		return err_new(ERR_STATE, "another debugger has just asked thread %d", a->worker);
	return NULL;
}

static struct err *set_bit(const struct act *a, struct target *t, const struct support *s)
{
	uint64_t breaker, at = a->state + s->eval_breaker;

	struct err *err = mem_read(&t->mem, at, &breaker, sizeof(breaker));
	breaker |= PLEASE_STOP;
	return err ? err : mem_write(&t->mem, at, &breaker, sizeof(breaker));
}

struct err *act_official_ask(struct act *a, struct target *t, struct python *py, int fd)
{
	char path[64] = "";
	const uint32_t pending = 1;
	struct support s;

	struct err *err = find(t, py, &s);
	if (err)
		return err;
	uint64_t at = a->state + s.remote_debugger_support;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = mem_write(&t->mem, at + s.debugger_script_path, path, sizeof(path));
	if (!err)
		err = set_bit(a, t, &s);
	if (!err)
		err = mem_write(&t->mem, at + s.debugger_pending_call, &pending, sizeof(pending));
	return err;
}

void act_official_revoke(struct act *a, struct target *t, struct python *py)
{
	static const char none[64];
	const uint32_t pending = 0;
	struct support s;

	struct err *err = find(t, py, &s);
	uint64_t at = err ? 0 : a->state + s.remote_debugger_support;
	if (!err)
		err = mem_write(&t->mem, at + s.debugger_pending_call, &pending, sizeof(pending));
	if (!err)
		err = mem_write(&t->mem, at + s.debugger_script_path, none, sizeof(none));
	err_drop(err); /* it is ending */
}
