/* SPDX-License-Identifier: MIT */
/*
 * What lldb asks of threads at a stop: qThreadStopInfo of one, jThreadsInfo of all
 * at once, and what the numbers of signals mean.
 */
#include <signal.h>
#include <string.h>

#include "rsp/signals.h"
#include "rsp/threadid.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/session.h"
#include "stub/stopreply.h"
#include "stub/view.h"

HANDLER(h_thread_stop_info)
{
	struct session *s = session;
	struct rsp_thread_id id;

	if (!rsp_thread_id_parse(args, &id) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qThreadStopInfo");
	if (!inferiors_select_id(s, &id) || !view_has_thread(s, id.tid))
		return err_new(ERR_NOT_FOUND, "no thread %d", id.tid);
	stop_reply_thread(s, id.tid, out);
	return NULL;
}

/* A JSON string (RFC 8259, section 7), whatever bytes @text has. */
static void put_json_text(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	buf_puts(out, "\"");
	while (*p) {
		size_t n = buf_utf8_len(p);
		if (*p == '"' || *p == '\\' || *p < ' ' || *p == 0x7f)
			buf_printf(out, "\\u%04x", *p);
		else if (n)
			buf_put(out, p, n);
		else
			buf_puts(out, "\xef\xbf\xbd");
		p += n ? n : 1;
	}
	buf_puts(out, "\"");
}

struct json_threads {
	struct session *s;
	struct buf *out;
	bool registers; /* those that a stop reply has */
	unsigned int n;
};

static void put_registers(struct session *s, pid_t tid, struct buf *out)
{
	const struct arch *a = s->target->arch;
	uint8_t value[REG_MAX];
	const char *sep = "";

	buf_puts(out, ",\"registers\":{");
	for (uint16_t i = 0; i < a->nregs; i++) {
		if (!a->regs[i].expedite)
			continue;
		struct err *err = view_reg_get(s, tid, i, value);
		if (err) {
			err_drop(err); /* lldb asks for it, and is told */
			continue;
		}
		buf_printf(out, "%s\"%u\":\"", sep, i);
		buf_put_hex(out, value, a->regs[i].bits / 8u);
		buf_puts(out, "\"");
		sep = ",";
	}
	buf_puts(out, "}");
}

static void put_reason(const struct stop_event *ev, struct buf *out)
{
	static const char *const words[] = {
		[STOP_SIGNAL] = "signal",      [STOP_SWBREAK] = "breakpoint",
		[STOP_HWBREAK] = "breakpoint", [STOP_WATCH] = "watchpoint",
		[STOP_EXEC] = "exec",	       [STOP_KILLED] = NULL,
	};
	const char *word = words[ev->kind];

	/* A trap of its own is the end of a step or not: lldb knows which. */
	if (word && !(ev->kind == STOP_SIGNAL && (ev->signo == SIGTRAP || !ev->signo)))
		buf_printf(out, ",\"reason\":\"%s\"", word);
	if (ev->kind == STOP_WATCH)
		buf_printf(out, ",\"description\":\"%llu 0 %llu\"", (unsigned long long)ev->addr,
			   (unsigned long long)ev->addr);
}

static bool put_json_thread(pid_t tid, void *arg)
{
	struct json_threads *j = arg;
	struct session *s = j->s;
	struct thread_info info = { .core = -1 };
	bool stopped = tid == s->stop.tid;

	struct err *err = view_thread_info(s, tid, &info);
	err_drop(err); /* it is ending; that there is one still counts */
	buf_printf(j->out, "%s{\"tid\":%d", j->n++ ? "," : "", tid);
	if (info.name[0]) {
		buf_puts(j->out, ",\"name\":");
		put_json_text(j->out, info.name);
	}
	if (stopped) {
		buf_printf(j->out, ",\"signal\":%u", session_signal_to_wire(s, s->stop.signo));
		put_reason(&s->stop, j->out);
	}
	if (j->registers)
		put_registers(s, tid, j->out);
	buf_puts(j->out, "}");
	return true;
}

static struct err *put_json_threads(struct session *s, bool registers, struct buf *out)
{
	struct json_threads j = { .s = s, .out = out, .registers = registers };

	buf_puts(out, "[");
	struct err *err = view_threads(s, put_json_thread, &j);
	buf_puts(out, "]");
	return err;
}

/* Whether it fits a packet once it is escaped, as every `}' in it is. */
static bool fits(const struct buf *out)
{
	size_t escaped;
	return !out->failed &&
	       rsp_escape_fit(out->data, out->len, RSP_PACKET_MAX, &escaped) == out->len;
}

/* One packet for all threads; if that is too small for them, lldb asks for one after the other. */
HANDLER(h_threads_info)
{
	struct session *s = session;
	(void)args;

	struct err *err = put_json_threads(s, true, out);
	if (err || fits(out))
		return err;
	buf_clear(out);
	err = put_json_threads(s, false, out);
	if (!err && !fits(out))
		err = err_new(ERR_UNSUPPORTED, "too many threads for one packet");
	return err;
}

HANDLER(h_signals_info)
{
	const char *sep = "";
	struct session *s = session;
	(void)args;

	buf_puts(out, "[");
	for (int signo = 1; signo < 32; signo++) {
		const char *name = sigabbrev_np(signo);
		unsigned int number = session_signal_to_wire(s, signo);
		if (!name || number == RSP_SIGNAL_UNKNOWN)
			continue;
		buf_printf(out, "%s{\"signo\":%u,\"name\":\"SIG%s\",\"description\":", sep, number,
			   name);
		put_json_text(out, sigdescr_np(signo));
		buf_puts(out, "}");
		sep = ",";
	}
	buf_puts(out, "]");
	return NULL;
}
