/* SPDX-License-Identifier: MIT */
/* Resuming and stopping. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/signals.h"
#include "rsp/vcont.h"
#include "stub/handlers.h"
#include "stub/inferiors.h"
#include "stub/session.h"
#include "stub/stopreply.h"
#include "stub/view.h"

HANDLER(h_stop_reason)
{
	struct session *s = session;
	(void)args;

	if (s->nonstop.on) {
		nonstop_list_stops(s, out);
		return NULL;
	}
	/* It answers when the inferior, running since another client left, has stopped. */
	if (s->running) {
		s->owed = s->no_reply = true;
		return NULL;
	}
	inferiors_select(s, s->stopper);
	if (s->target->pid <= 0 && s->stop.kind != STOP_EXITED && s->stop.kind != STOP_KILLED)
		buf_puts(out, "W00");
	else
		stop_reply(s, out);
	return NULL;
}

/*
 * A process that is never stopped cannot be resumed.  The client is told so, and at once that
 * it has stopped: then it forgets what it has read, and looks again.
 */
static struct err *look_again(struct session *s, pid_t tid)
{
	static const char why[] = "The process is only looked at: it runs, and was not touched.\n";

	tid = view_real_thread(s, tid);
	if (!target_has_thread(s->target, tid))
		tid = target_first_thread(s->target);
	session_print(s, why, strlen(why));
	s->stop = (struct stop_event){ .tid = tid, .kind = STOP_SIGNAL };
	s->g_tid = tid;
	view_moved(s);
	if (view_has_news(s))
		stop_reply_library(s, &s->reply);
	else
		stop_reply(s, &s->reply);
	return NULL;
}

/* The client was told of a library and resumes from that: what had stopped comes now. */
static struct err *report_deferred(struct session *s)
{
	inferiors_keep(s);
	s->c_tid = s->asked_tid = 0;
	s->g_tid = s->stop.tid;
	stop_reply(s, &s->reply);
	return NULL;
}

/* What is about the session, and not one of its processes.  *done: it is answered. */
static struct err *resume_begins(struct session *s, pid_t tid, bool *done)
{
	inferiors_select(s, s->stopper);
	*done = view_take_deferred(s);
	if (*done)
		return report_deferred(s);
	inferiors_restore(s);
	*done = s->target->look != NULL;
	if (*done)
		return look_again(s, tid);
	if (s->target->still)
		return err_new(ERR_STATE, "%s", s->target->still);
	if (!s->target->run)
		return err_new(ERR_UNSUPPORTED, "target cannot run");
	return NULL;
}

/* The process that is selected. */
static struct err *resume_process(struct session *s, const struct resume_action *actions, size_t n)
{
	struct target *t = s->target;

	view_resumes(s);
	t->pass_signals = s->pass_signals;
	t->keep_signals = s->program_signals_set ? s->program_signals : NULL;
	t->tells_forks = session_tells_forks(s);
	if (s->interrupted)
		err_drop(t->run->interrupt(t)); /* it is ending, and that will be reported */
	struct err *err = t->run->resume(t, actions, n);
	if (err || s->nonstop.on)
		return err;
	inferiors_set_moving(s->now, true);
	s->running = s->owed = s->no_reply = true;
	return NULL;
}

/*
 * Who may only look may give back the signal that stopped it, and no other.  A
 * trap is mostly our own doing.
 */
static bool may_deliver(const struct session *s, int signo)
{
	return !s->options->read_only || !signo ||
	       (s->stop.kind == STOP_SIGNAL && signo == s->stop.signo && signo != SIGTRAP);
}

static struct err *convert_signal(const struct session *s, unsigned int number, int *ret)
{
	if (!session_signal_from_wire(s, number, ret))
		return err_new(ERR_PROTO, "no signal %u on this system", number);
	if (!may_deliver(s, *ret))
		return err_new(ERR_STATE, "the stub is read-only");
	return NULL;
}

/* A step of a virtual thread is one of Python, for which its real thread goes on. */
static struct err *convert_virtual(struct session *s, const struct rsp_vcont *from,
				   struct resume_action *ret)
{
	bool step = from->kind == 'r' || from->kind == 's' || from->kind == 'S';
	struct err *err = NULL;

	if (step)
		err = view_step(s, ret->tid, from->start, from->end);
	ret->tid = view_real_thread(s, ret->tid);
	ret->kind = from->kind == 't' ? RESUME_STOP : RESUME_CONT;
	if (!err && from->kind != 'r')
		err = convert_signal(s, from->signo, &ret->signo);
	return err;
}

static struct err *convert(struct session *s, const struct rsp_vcont *from,
			   struct resume_action *ret)
{
	const struct rsp_thread_id *id = &from->thread;

	*ret = (struct resume_action){ .tid = id->tid == RSP_ALL ? -1 : id->tid };
	if (id->tid == RSP_ANY)
		ret->tid = view_has_thread(s, s->g_tid) ? s->g_tid : target_first_thread(s->target);
	pid_t virtual = view_steps_as(s, ret->tid);
	if (virtual) {
		ret->tid = virtual;
		return convert_virtual(s, from, ret);
	}
	switch (from->kind) {
	case 'r':
		ret->range_start = from->start;
		ret->range_end = from->end;
		ret->kind = RESUME_STEP;
		return NULL;
	case 's':
	case 'S':
		ret->kind = RESUME_STEP;
		break;
	case 't':
		ret->kind = RESUME_STOP;
		break;
	default:
		ret->kind = RESUME_CONT;
	}
	return convert_signal(s, from->signo, &ret->signo);
}

/* Whether it may be about a thread of the process that is selected. */
static bool is_about(struct session *s, const struct rsp_thread_id *id)
{
	if (id->pid > 0)
		return id->pid == s->target->pid;
	return id->tid <= 0 || !inferiors_several(s) || view_has_thread(s, id->tid);
}

/* Those of the actions that are about the process that is selected. */
static struct err *resume_by(struct session *s, const struct rsp_vcont_list *list, size_t *known)
{
	struct resume_action *actions = calloc(list->n + nonstop_held_max(s), sizeof(*actions));
	struct err *err = actions ? NULL : &err_nomem;
	size_t held = err ? 0 : nonstop_held(s, actions), n = held;

	for (size_t i = 0; !err && i < list->n; i++) {
		if (!is_about(s, &list->action[i].thread))
			continue;
		++*known;
		err = convert(s, &list->action[i], &actions[n]);
		n += !err;
	}
	if (!err && n > held)
		err = resume_process(s, actions, n);
	free(actions);
	return err;
}

static bool names_known(struct session *s, const struct rsp_vcont_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->action[i].thread.pid > 0 &&
		    !inferiors_find(s, list->action[i].thread.pid))
			return false;
	return true;
}

/*
 * Each process by the actions that are about it.  One that cannot go on is no error as long
 * as another does.
 */
static struct err *resume_all(struct session *s, const struct rsp_vcont_list *list)
{
	struct err *err = NULL;
	size_t known = 0;
	bool done;

	if (!names_known(s, list))
		return err_new(ERR_PROTO, "an action is about an unknown process");
	err = resume_begins(s, list->action[0].thread.tid, &done);
	if (err || done)
		return err;
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		struct err *why = resume_by(s, list, &known);
		if (!err)
			err = why;
		else
			err_drop(why); /* one reason is enough */
	}
	if (!err && !s->running)
		err = err_new(ERR_STATE, "no thread to resume");
	if (s->running) {
		err_drop(err); /* others go on */
		err = NULL;
	}
	return err;
}

/* One that names what is no more is no error: its end may be on the way to the client. */
static struct err *resume_nonstop(struct session *s, const struct rsp_vcont_list *list,
				  struct buf *out)
{
	struct err *err = NULL;
	size_t known = 0;

	for (struct inferior *i = inferiors_first(s); !err && i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		err = resume_by(s, list, &known);
	}
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_vcont)
{
	struct session *s = session;
	struct rsp_vcont_list list = { 0 };

	if (packet_disabled(s->options, "vCont"))
		return err_new(ERR_UNSUPPORTED, "vCont is disabled");
	struct err *err = rsp_vcont_parse(args, &list);
	if (err)
		return err;
	if (s->nonstop.on) {
		err = resume_nonstop(s, &list, out);
		rsp_vcont_deinit(&list);
		return err;
	}
	if (!inferiors_any(s)) {
		rsp_vcont_deinit(&list);
		return err_new(ERR_STATE, "no process");
	}
	inferiors_select(s, s->stopper);
	if (s->target->pid > 0 && view_resume_is_told(s, &list)) {
		rsp_vcont_deinit(&list);
		inferiors_keep(s);
		s->c_tid = s->asked_tid = 0;
		s->g_tid = s->stop.tid;
		stop_reply(s, out);
		return NULL;
	}
	inferiors_restore(s);
	err = resume_all(s, &list);
	rsp_vcont_deinit(&list);
	return err;
}

HANDLER(h_vcont_query)
{
	struct session *s = session;
	(void)args;

	if (packet_disabled(s->options, "vCont"))
		return err_new(ERR_UNSUPPORTED, "vCont is disabled");
	buf_puts(out, "vCont;c;C;s;S;t;r");
	return NULL;
}

/*
 * c, C, s, S: what Hc chose is stepped, signalled, or alone continued; the
 * others go on unless it is one thread.
 */
static struct err *resume_old(struct session *s, bool step, int signo)
{
	bool one = s->c_tid > 0, done;
	pid_t tid = one ? s->c_tid : s->g_tid;
	struct err *err = resume_begins(s, tid, &done);

	if (err || done)
		return err;

	pid_t virtual = view_steps_as(s, tid);
	if (virtual && step)
		err = view_step(s, virtual, 0, 0);
	if (err)
		return err;
	step = step && !virtual;
	struct resume_action actions[2] = {
		{ .tid = view_real_thread(s, tid),
		  .kind = step ? RESUME_STEP : RESUME_CONT,
		  .signo = signo },
		{ .tid = -1, .kind = RESUME_CONT },
	};
	err = resume_process(s, actions, one ? 1 : 2);
	for (struct inferior *i = inferiors_first(s); !err && !one && i; i = inferiors_next(s, i)) {
		if (inferiors_moving(i))
			continue;
		inferiors_select(s, i);
		err = resume_process(s, &actions[1], 1);
	}
	return err;
}

static struct err *set_pc(struct session *s, struct rsp_cursor *args)
{
	uint64_t addr;
	uint8_t value[REG_MAX] = { 0 };

	if (cur_end(args))
		return NULL;
	if (!cur_hex(args, &addr) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed address");
	if (s->options->read_only)
		return err_new(ERR_STATE, "the stub is read-only");
	memcpy(value, &addr, sizeof(addr));
	bool done;
	struct err *err = view_send_thread(s, s->g_tid, addr, &done);
	if (err || done)
		return err;
	return target_reg_set(s->target, s->g_tid, s->target->arch->pc, value);
}

static struct err *continue_or_step(struct session *s, struct rsp_cursor *args, bool step,
				    bool with_signal)
{
	uint64_t number = 0;
	int signo = 0;

	if (s->nonstop.on)
		return err_new(ERR_STATE, "in non-stop mode threads are resumed by vCont");
	if (with_signal && (!cur_hex(args, &number) || number > RSP_SIGNAL_UNKNOWN ||
			    (!cur_char(args, ';') && !cur_end(args))))
		return err_new(ERR_PROTO, "malformed signal");
	struct err *err = convert_signal(s, (unsigned int)number, &signo);
	if (!err)
		err = set_pc(s, args);
	if (!err)
		err = resume_old(s, step, signo);
	return err;
}

HANDLER(h_continue)
{
	(void)out;
	return continue_or_step(session, args, false, false);
}

HANDLER(h_continue_sig)
{
	(void)out;
	return continue_or_step(session, args, false, true);
}

HANDLER(h_step)
{
	(void)out;
	return continue_or_step(session, args, true, false);
}

HANDLER(h_step_sig)
{
	(void)out;
	return continue_or_step(session, args, true, true);
}

/* QNonStop:0, QNonStop:1 */
HANDLER(h_nonstop)
{
	struct session *s = session;
	bool on;

	struct err *err = cur_flag(args, &on);
	if (err)
		return err;
	if (on && !nonstop_is_possible(s))
		return err_new(ERR_STATE, "there is no non-stop mode");
	if (on)
		nonstop_begin(s);
	else
		nonstop_end(s, false);
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_next_stop)
{
	struct session *s = session;
	(void)args;

	if (!s->nonstop.on)
		return err_new(ERR_UNSUPPORTED, "vStopped is of non-stop mode");
	nonstop_next(s, out);
	return NULL;
}

HANDLER(h_interrupt)
{
	struct session *s = session;
	(void)args;

	if (!s->nonstop.on)
		return err_new(ERR_UNSUPPORTED, "vCtrlC is of non-stop mode");
	nonstop_interrupt(s);
	buf_puts(out, "OK");
	return NULL;
}

/* QThreadEvents:0, QThreadEvents:1 */
HANDLER(h_thread_events)
{
	struct session *s = session;

	struct err *err = cur_flag(args, &s->thread_events);
	if (err)
		return err;
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		s->target->tells_threads = s->thread_events;
	}
	buf_puts(out, "OK");
	return NULL;
}

/* OPTIONS[:THREAD]; those of a process by `pPID.-1', of all by none. */
static struct err *parse_options(struct rsp_cursor *one, struct rsp_thread_id *id, uint64_t *ret)
{
	*id = (struct rsp_thread_id){ .pid = RSP_ALL, .tid = RSP_ALL };
	if (!cur_hex(one, ret) || *ret > (THREAD_TELLS_CLONE | THREAD_TELLS_END))
		return err_new(ERR_PROTO, "malformed or unknown options of threads");
	if (!cur_end(one) &&
	    (!cur_char(one, ':') || !rsp_thread_id_parse(one, id) || !cur_end(one)))
		return err_new(ERR_PROTO, "malformed options of threads");
	return NULL;
}

static void set_options(struct session *s, const struct rsp_thread_id *id, unsigned int options)
{
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		if (is_about(s, id) && s->target->run->set_options)
			s->target->run->set_options(s->target, id->tid > 0 ? id->tid : 0, options);
	}
}

/* QThreadOptions;OPTIONS[:THREAD]...: the last one about a thread counts; others keep theirs. */
HANDLER(h_thread_options)
{
	struct session *s = session;
	struct rsp_cursor one, again = *args;
	struct rsp_thread_id id;
	uint64_t options;
	struct err *err = NULL;

	if (!s->target->run->set_options)
		return err_new(ERR_UNSUPPORTED, "QThreadOptions");
	if (!cur_char(args, ';') || cur_end(args))
		return err_new(ERR_PROTO, "malformed QThreadOptions");
	while (!err && cur_token(args, ';', &one))
		err = parse_options(&one, &id, &options);
	if (err)
		return err;
	(void)cur_char(&again, ';');
	while (cur_token(&again, ';', &one)) {
		err_drop(parse_options(&one, &id, &options)); /* it was right before */
		set_options(s, &id, (unsigned int)options);
	}
	buf_puts(out, "OK");
	return NULL;
}
