/* SPDX-License-Identifier: MIT */
/*
 * Registers: g G p P, and lldb's form of each, which names the thread behind
 * the request (";thread:TID;") instead of before it (lldb's "Extensions to the
 * GDB Remote Protocol", QThreadSuffixSupported).
 */
#include <string.h>

#include "rsp/threadid.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/pyregs.h"
#include "stub/session.h"
#include "stub/trace.h"
#include "stub/view.h"

/* All registers of all architectures fit, several times. */
#define VALUES_MAX 16384u

/* What follows the request: nothing, or a thread.  Hg's thread otherwise. */
static struct err *pick_thread(struct session *s, struct rsp_cursor *args, pid_t *ret)
{
	struct rsp_thread_id id = { 0 };
	pid_t tid = s->g_tid;

	if (cur_literal(args, ";thread:")) {
		if (!rsp_thread_id_parse(args, &id) || id.tid <= 0)
			return err_new(ERR_PROTO, "malformed thread of a register request");
		if (!inferiors_select_id(s, &id))
			return err_new(ERR_NOT_FOUND, "no process %d", id.pid);
		if (!view_has_thread(s, id.tid))
			return err_new(ERR_NOT_FOUND, "no thread %d", id.tid);
		tid = id.tid;
	}
	(void)cur_char(args, ';');
	if (!cur_end(args))
		return err_new(ERR_PROTO, "a register request ends in something unknown");
	if (tid <= 0)
		return err_new(ERR_STATE, "no thread is selected: select one with Hg");
	*ret = tid;
	return NULL;
}

/* A register without its regset is unavailable, which is neither zero nor an error. */
static struct err *put_reg(struct session *s, pid_t tid, uint16_t regnum, struct buf *out)
{
	size_t len = s->target->arch->regs[regnum].bits / 8u;
	uint8_t value[REG_MAX];

	struct err *err = trace_looks(s) ? trace_reg_get(s, regnum, value)
					 : view_reg_get(s, tid, regnum, value);
	if (err_catch(&err, ERR_NOT_FOUND)) {
		/* lldb takes the digits for a number, whatever they are. */
		const char *unknown = s->peer.lldb && view_is_virtual(tid) ? "00" : "xx";
		while (len--)
			buf_puts(out, unknown);
		return NULL;
	}
	if (!err)
		buf_put_hex(out, value, len);
	return err;
}

static struct err *put_pyreg(struct session *s, pid_t tid, enum pyreg which, struct buf *out)
{
	uint64_t value;
	struct err *err = trace_looks(s) ? err_new(ERR_NOT_FOUND, "it was not recorded")
					 : pyregs_read(s, tid, which, &value);

	/* lldb takes the digits for a number, whatever they are. */
	if (err_catch(&err, ERR_NOT_FOUND))
		buf_puts(out, s->peer.lldb ? "0000000000000000" : "xxxxxxxxxxxxxxxx");
	else if (!err)
		buf_put_hex(out, &value, sizeof(value));
	return err;
}

/* Without those of Python: a client that finds `g' shorter than target.xml asks by `p'. */
HANDLER(h_read_regs)
{
	struct session *s = session;
	pid_t tid;

	struct err *err = pick_thread(s, args, &tid);
	s->g_seen = true;
	uint16_t n = s->described ? s->target->arch->nregs : s->target->arch->plain_nregs;
	for (uint16_t i = 0; !err && i < n; i++)
		err = put_reg(s, tid, i, out);
	return err;
}

/* The hex digits up to ';' or the end, as bytes. */
static struct err *read_values(struct rsp_cursor *args, uint8_t *ret, size_t room, size_t *len_ret)
{
	struct rsp_cursor hex = *args;

	for (hex.end = hex.p; hex.end < args->end && *hex.end != ';'; hex.end++)
		;
	size_t len = cur_left(&hex) / 2;
	if (cur_left(&hex) % 2 || len > room || !cur_hexbytes(&hex, ret, len))
		return err_new(ERR_PROTO, "malformed register values");
	args->p = hex.end;
	*len_ret = len;
	return NULL;
}

/* Where the value of the pc is among @len bytes of all registers; false: it is not. */
static bool find_pc(const struct arch *a, const uint8_t *values, size_t len, uint64_t *ret)
{
	size_t at = 0;
	for (uint16_t i = 0; i < a->pc; i++)
		at += a->regs[i].bits / 8u;
	if (at + sizeof(*ret) > len)
		return false;
	memcpy(ret, values + at, sizeof(*ret));
	return true;
}

/* As gdbserver: fewer values than there are registers set the first ones. */
HANDLER(h_write_regs)
{
	struct session *s = session;
	uint8_t values[VALUES_MAX];
	bool done = false;
	uint64_t pc;
	size_t len;
	pid_t tid;

	struct err *err = read_values(args, values, sizeof(values), &len);
	if (!err)
		err = pick_thread(s, args, &tid);
	if (!err)
		err = view_refuse_write(s, tid);
	if (!err && find_pc(s->target->arch, values, len, &pc))
		err = view_send_thread(s, tid, pc, &done);
	if (!err && !done)
		err = target_regs_set(s->target, tid, values, len);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

static struct err *read_regnum(struct session *s, struct rsp_cursor *args, uint16_t *ret)
{
	uint64_t n;
	enum pyreg which;

	if (!cur_hex(args, &n))
		return err_new(ERR_PROTO, "malformed register number");
	if (n >= s->target->arch->nregs && !pyregs_find(s, n, &which))
		return err_new(ERR_NOT_FOUND, "no register %#llx", (unsigned long long)n);
	*ret = (uint16_t)n;
	return NULL;
}

HANDLER(h_read_reg)
{
	struct session *s = session;
	uint16_t regnum;
	enum pyreg which;
	pid_t tid;

	struct err *err = read_regnum(s, args, &regnum);
	if (!err)
		err = pick_thread(s, args, &tid);
	if (err)
		return err;
	return pyregs_find(s, regnum, &which) ? put_pyreg(s, tid, which, out)
					      : put_reg(s, tid, regnum, out);
}

/*
 * A thread sent elsewhere must not begin its interrupted system call again there.  gdb
 * itself says so (orig_rax of -1), lldb knows nothing of it.
 */
static struct err *leave_syscall(struct session *s, pid_t tid)
{
	const uint8_t none[REG_MAX] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return target_reg_set(s->target, tid, s->target->arch->sysno, none);
}

HANDLER(h_write_reg)
{
	struct session *s = session;
	uint8_t value[REG_MAX] = { 0 };
	uint16_t regnum;
	enum pyreg which;
	bool done = false;
	uint64_t pc;
	size_t len;
	pid_t tid;

	struct err *err = read_regnum(s, args, &regnum);
	if (err)
		return err;
	if (!cur_char(args, '='))
		return err_new(ERR_PROTO, "malformed P");
	err = read_values(args, value, sizeof(value), &len);
	/*
	 * What Python does is not changed so.  But gdb writes back every register when a
	 * function that it has called returns (save-restore="no" means nothing to it on x86), and
	 * were one refused it would leave the others as they are.
	 */
	if (!err && pyregs_find(s, regnum, &which)) {
		buf_puts(out, "OK");
		return NULL;
	}
	if (!err && len != s->target->arch->regs[regnum].bits / 8u)
		err = err_new(ERR_PROTO, "%s has %u bits, not %zu",
			      s->target->arch->regs[regnum].name,
			      s->target->arch->regs[regnum].bits, len * 8);
	if (!err)
		err = pick_thread(s, args, &tid);
	if (!err)
		err = view_refuse_write(s, tid);
	memcpy(&pc, value, sizeof(pc));
	if (!err)
		view_note_write(s, tid, regnum);
	if (!err && regnum == s->target->arch->pc) {
		err = view_send_thread(s, tid, pc, &done);
		if (err)
			view_undo_writes(s, tid);
	}
	if (!err && !done)
		err = target_reg_set(s->target, tid, regnum, value);
	if (!err && s->peer.lldb && regnum == s->target->arch->pc)
		err = leave_syscall(s, tid);
	if (!err)
		buf_puts(out, "OK");
	return err;
}
