/* SPDX-License-Identifier: MIT */
#include "stub/stopreply.h"

#include <signal.h>
#include <string.h>

#include "qxfer/libraries.h"
#include "rsp/threadid.h"
#include "stub/handlers.h"
#include "stub/view.h"

static void put_process(struct session *s, struct buf *out)
{
	if (s->peer.multiprocess && s->stop.tid)
		buf_printf(out, ";process:%x", (unsigned int)s->stop.tid);
}

static void put_watch(const struct stop_event *ev, struct buf *out)
{
	static const char *const words[POINT_TYPES] = {
		[POINT_WRITE] = "watch",
		[POINT_READ] = "rwatch",
		[POINT_ACCESS] = "awatch",
	};
	buf_printf(out, "%s:%llx;", words[ev->wp_type], (unsigned long long)ev->addr);
}

static void put_exec(struct session *s, struct buf *out)
{
	_cleanup_buf_ struct buf path = { 0 };
	struct err *err = s->target->ops->exec_file(s->target, &path);
	if (err) {
		err_drop(err); /* it is dying; the stop is worth telling all the same */
		return;
	}
	buf_puts(out, "exec:");
	buf_put_hex(out, path.data, path.len);
	buf_puts(out, ";");
}

/* Why it stopped, for a client that understands the word. */
static void put_reason(struct session *s, struct buf *out)
{
	const struct stop_event *ev = &s->stop;

	switch (ev->kind) {
	case STOP_SWBREAK:
		if (s->peer.swbreak)
			buf_puts(out, "swbreak:;");
		break;
	case STOP_HWBREAK:
		if (s->peer.hwbreak)
			buf_puts(out, "hwbreak:;");
		break;
	case STOP_WATCH:
		put_watch(ev, out);
		break;
	case STOP_FORK:
	case STOP_VFORK:
		buf_puts(out, ev->kind == STOP_FORK ? "fork:" : "vfork:");
		rsp_thread_id_write(out, s->peer.multiprocess, (pid_t)ev->addr, (pid_t)ev->addr);
		buf_puts(out, ";");
		break;
	case STOP_CLONE:
		buf_puts(out, "clone:");
		rsp_thread_id_write(out, s->peer.multiprocess, s->target->pid, (pid_t)ev->addr);
		buf_puts(out, ";");
		break;
	case STOP_BORN:
		buf_puts(out, "create:;");
		break;
	case STOP_VFORK_DONE:
		buf_puts(out, "vforkdone:;");
		break;
	case STOP_SYSCALL_ENTRY:
	case STOP_SYSCALL_RETURN:
		buf_printf(out, "syscall_%s:%llx;",
			   ev->kind == STOP_SYSCALL_ENTRY ? "entry" : "return",
			   (unsigned long long)ev->addr);
		break;
	case STOP_EXEC:
		if (s->peer.lldb)
			buf_puts(out, "reason:exec;");
		else if (s->peer.exec_events)
			put_exec(s, out);
		break;
	default:
		break;
	}
}

static void put_expedited(struct session *s, pid_t tid, struct buf *out)
{
	const struct arch *a = s->target->arch;

	for (uint16_t i = 0; i < a->nregs; i++) {
		uint8_t value[REG_MAX];
		if (!a->regs[i].expedite)
			continue;
		struct err *err = view_reg_get(s, tid, i, value);
		/* gdb gives up on a stop without a pc; what `g' says later counts. */
		if (err && s->target->look && i == a->pc) {
			memset(value, 0, sizeof(value));
			(void)err_catch(&err, ERR_NOT_FOUND);
		}
		if (err) {
			err_drop(err); /* left out: the client asks, and gets the error */
			continue;
		}
		buf_printf(out, "%02x:", i);
		buf_put_hex(out, value, a->regs[i].bits / 8u);
		buf_puts(out, ";");
	}
}

static void put_thread(struct session *s, pid_t tid, struct buf *out)
{
	struct thread_info info;

	if (!tid || packet_disabled(s->options, "Tthread"))
		return;
	buf_puts(out, "thread:");
	rsp_thread_id_write(out, s->peer.multiprocess, s->target->pid, tid);
	buf_puts(out, ";");
	if (!s->target->ops->thread_info)
		return;
	struct err *err = view_thread_info(s, tid, &info);
	if (err) {
		err_drop(err); /* it is ending */
		return;
	}
	if (info.core >= 0)
		buf_printf(out, "core:%x;", (unsigned int)info.core);
	if (s->peer.lldb && info.name[0]) {
		buf_puts(out, "hexname:"); /* a name may have any bytes in it */
		buf_put_hex(out, info.name, strnlen(info.name, sizeof(info.name)));
		buf_puts(out, ";");
	}
}

struct listing {
	struct session *s;
	struct buf *ids, *pcs;
};

static bool list_thread(pid_t tid, void *arg)
{
	struct listing *l = arg;
	struct session *s = l->s;
	uint64_t pc = 0;

	struct err *err = view_reg_uint(s, tid, s->target->arch->pc, &pc);
	err_drop(err); /* a thread that is ending is nowhere */
	buf_puts(l->ids, l->ids->len ? "," : "threads:");
	rsp_thread_id_write(l->ids, s->peer.multiprocess, s->target->pid, tid);
	buf_printf(l->pcs, "%s%llx", l->pcs->len ? "," : "thread-pcs:", (unsigned long long)pc);
	return true;
}

/* All or none of them: what does not fit lldb asks for. */
static void put_all_threads(struct session *s, struct buf *out)
{
	_cleanup_buf_ struct buf ids = { 0 }, pcs = { 0 };
	struct listing l = { .s = s, .ids = &ids, .pcs = &pcs };

	struct err *err = view_threads(s, list_thread, &l);
	bool fits = !err && !ids.failed && !pcs.failed &&
		    out->len + ids.len + pcs.len + 2 <= RSP_PACKET_MAX;
	err_drop(err);
	if (!fits || !ids.len)
		return;
	buf_put(out, ids.data, ids.len);
	buf_puts(out, ";");
	buf_put(out, pcs.data, pcs.len);
	buf_puts(out, ";");
}

static void put_stop(struct session *s, struct buf *out)
{
	if (packet_disabled(s->options, "T")) {
		buf_printf(out, "S%02x", session_signal_to_wire(s, s->stop.signo));
		return;
	}
	buf_printf(out, "T%02x", session_signal_to_wire(s, s->stop.signo));
	put_reason(s, out);
	put_expedited(s, s->stop.tid, out);
	put_thread(s, s->stop.tid, out);
	if (s->list_threads)
		put_all_threads(s, out);
}

void stop_reply_thread(struct session *s, pid_t tid, struct buf *out)
{
	bool stopped = tid == s->stop.tid;

	buf_printf(out, "T%02x", stopped ? session_signal_to_wire(s, s->stop.signo) : 0u);
	if (stopped)
		put_reason(s, out);
	put_expedited(s, tid, out);
	put_thread(s, tid, out);
}

void stop_reply(struct session *s, struct buf *out)
{
	switch (s->stop.kind) {
	case STOP_EXITED:
		buf_printf(out, "W%02x", (unsigned int)s->stop.signo & 0xff);
		put_process(s, out);
		break;
	case STOP_KILLED:
		buf_printf(out, "X%02x", session_signal_to_wire(s, s->stop.signo));
		put_process(s, out);
		break;
	case STOP_NO_RESUMED:
		buf_puts(out, s->peer.no_resumed ? "N" : "T00");
		break;
	case STOP_GONE:
		buf_printf(out, "w%x;", (unsigned int)s->stop.signo);
		rsp_thread_id_write(out, s->peer.multiprocess, s->target->pid, s->stop.tid);
		break;
	default:
		put_stop(s, out);
	}
}

/*
 * Where ld.so tells of a change lldb has a breakpoint of its own and reads the list anyway.
 * Told to read it before it has understood why the thread stopped, it takes the breakpoint
 * away and shows the stop as a trap of the program's.
 */
static bool is_at_ld_so(struct session *s)
{
	uint64_t at = 0, pc = 1;
	struct err *err = libraries_breakpoint(s->target, &at);

	if (!err)
		err = view_reg_uint(s, s->stop.tid, s->target->arch->pc, &pc);
	err_drop(err); /* then it is not there */
	return at == pc;
}

void stop_reply_library(struct session *s, struct buf *out)
{
	if (s->peer.lldb) {
		put_stop(s, out);
		if (!is_at_ld_so(s))
			buf_puts(out, "library:;");
		return;
	}
	view_defer(s);
	buf_printf(out, "T%02xlibrary:;", session_signal_to_wire(s, SIGTRAP));
	put_expedited(s, s->stop.tid, out);
	put_thread(s, s->stop.tid, out);
}

void stop_announce(const struct stop_event *ev)
{
	if (ev->kind == STOP_EXITED)
		fprintf(stderr, "\nChild exited with status %d\n", ev->signo);
	else if (ev->kind == STOP_KILLED)
		fprintf(stderr, "\nChild terminated with signal = 0x%x (SIG%s)\n",
			(unsigned int)ev->signo,
			sigabbrev_np(ev->signo) ? sigabbrev_np(ev->signo) : "?");
}
