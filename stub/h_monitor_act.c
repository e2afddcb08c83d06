/* SPDX-License-Identifier: MIT */
/*
 * `monitor py-exec': code run in a process that a client has stopped.  All threads go on for
 * as long as it takes, with the client's breakpoints passed over; then all stop again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/python/python.h"
#include "stub/act_file.h"
#include "stub/act_run.h"
#include "stub/act_talk.h"
#include "stub/conditions.h"
#include "stub/monitor.h"
#include "stub/session.h"
#include "stub/view.h"

#define LIMIT_S	    10u
#define CLIENT_S    60u /* for somebody to connect */
#define FOREVER_MS  (1000u * 86400 * 20)
#define LIMIT_MAX_S 3600u
#define STOP_MS	    10000u
#define NAME_MAX_   1024u

struct monitor_act {
	struct session *s;
	const struct target_judge *judge; /* the client's */
	bool standing;			  /* it is stopped */
	bool ended;			  /* the process has */
};

/* ---- going on and stopping ---- */

static bool tell_nothing(void *ctx, const struct target_hit *hit)
{
	(void)ctx;
	(void)hit;
	return false;
}

static struct err *go_on(struct session *s, pid_t tid, int signo)
{
	const struct resume_action actions[] = {
		{ .tid = tid, .kind = RESUME_CONT, .signo = signo },
		{ .tid = -1, .kind = RESUME_CONT },
	};
	return s->target->run->resume(s->target, signo ? actions : actions + 1, signo ? 2 : 1);
}

static struct err *release(void *arg)
{
	struct monitor_act *m = arg;
	static const struct target_judge nothing = { .is_told = tell_nothing };

	m->s->target->judge = &nothing;
	m->standing = false;
	return go_on(m->s, 0, 0);
}

static void nap(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };
	if (!ms)
		ts.tv_nsec = 200000;
	(void)nanosleep(&ts, NULL);
}

/* *stopped: all have, for whatever it was. */
static struct err *look(struct monitor_act *m, bool *stopped, struct stop_event *ev)
{
	struct err *err = m->s->target->run->next_event(m->s->target, ev, stopped);
	if (!err && *stopped && (ev->kind == STOP_EXITED || ev->kind == STOP_KILLED)) {
		m->s->stop = *ev;
		m->ended = true;
	}
	return err;
}

/* A signal of the program's own is the program's; other stops were for nobody. */
static bool attend(void *arg)
{
	struct monitor_act *m = arg;
	struct stop_event ev;
	bool stopped = false;

	if (m->s->push && !m->s->push(m->s->push_arg))
		return true;
	if (m->standing)
		return false;
	struct err *err = m->ended ? NULL : look(m, &stopped, &ev);
	if (!err && !m->ended && stopped)
		err = go_on(m->s, ev.tid, ev.kind == STOP_SIGNAL ? ev.signo : 0);
	bool failed = err != NULL;
	err_drop(err);
	return failed || m->ended;
}

static bool pause_for(void *arg, unsigned int ms)
{
	nap(ms);
	return attend(arg);
}

static struct err *regain(void *arg, struct target **ret)
{
	struct monitor_act *m = arg;
	struct target *t = m->s->target;
	struct stop_event ev;
	bool stopped = false;

	struct err *err = m->ended ? NULL : t->run->interrupt(t);
	for (unsigned int ms = 0; !err && !stopped && !m->ended && ms < STOP_MS; ms++) {
		err = look(m, &stopped, &ev);
		/* The one that came of interrupt() is not; another is given back at the next resume. */
		if (!err && stopped && !m->ended && ev.kind == STOP_SIGNAL && ev.signo != SIGINT)
			(void)kill(t->pid, ev.signo);
		if (!err && !stopped)
			nap(1);
	}
	if (!err && m->ended)
		err = err_new(ERR_STATE, "the process ended");
	else if (!err && !stopped)
		err = err_new(ERR_STATE, "the process does not stop");
	if (!err)
		*ret = t;
	m->standing = !err;
	t->judge = m->judge;
	return err;
}

/* ---- what the client has seen ---- */

struct places {
	struct session *s;
	struct place {
		pid_t tid;
		uint64_t pc;
	} * place;
	size_t n, cap;
	bool failed;
};

static bool note_place(pid_t tid, void *arg)
{
	struct places *p = arg;
	struct target *t = p->s->target;
	uint64_t pc = 0;

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct place *more = reallocarray(p->place, cap, sizeof(*more));
		p->failed = !more;
		if (!more)
			return false;
		p->place = more;
		p->cap = cap;
	}
	err_drop(target_reg_uint(t, tid, t->arch->pc, &pc)); /* stuck in the kernel */
	p->place[p->n++] = (struct place){ tid, pc };
	return true;
}

static bool same_places(const struct places *a, const struct places *b)
{
	return a->n == b->n && !a->failed && !b->failed &&
	       (!a->n || memcmp(a->place, b->place, a->n * sizeof(*a->place)) == 0);
}

static void note_places(struct session *s, struct places *ret)
{
	*ret = (struct places){ .s = s };
	err_drop(s->target->ops->threads(s->target, note_place, ret)); /* then they differ */
}

/* ---- where a client may call functions itself ---- */

static const struct py_thread *find_thread(const struct py_snapshot *snap, pid_t tid, bool *gc)
{
	for (size_t i = 0; i < snap->ninterps; i++) {
		const struct py_interp *in = &snap->interps[i];
		for (size_t k = 0; k < in->nthreads; k++) {
			*gc = in->gc;
			if (snap->threads[in->first_thread + k].tid == tid)
				return &snap->threads[in->first_thread + k];
		}
	}
	return NULL;
}

static const char *safety(const struct space *space, const struct py_thread *th, bool gc)
{
	struct space_syscall call;
	bool sleeps = space->thread_syscall && space->thread_syscall(space->ctx, th->tid, &call);

	if (gc)
		return "no, garbage is being collected";
	if (th->gil_wanted)
		return "no, it waits for the GIL";
	if (sleeps && !th->gil)
		return "between PyGILState_Ensure() and PyGILState_Release(): it waits in the "
		       "kernel";
	if (sleeps)
		return "yes: it waits in the kernel, with the GIL";
	return "no, it may be in the middle of anything";
}

void monitor_put_safety(struct session *s, struct buf *out)
{
	const struct py_walk walk = { .in_passing = false };
	const struct py_snapshot *snap;
	const struct space *space;
	bool gc = false;

	if (!s->python || !s->target->call)
		return;
	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_walk(s->python, space, &walk, &snap);
	if (err) {
		err_drop(err); /* then there is no Python */
		return;
	}
	const struct py_thread *th = find_thread(snap, session_shown_thread(s), &gc);
	if (th)
		buf_printf(out,
			   "Functions of Python may be called in thread %d: %s.\n"
			   "Anywhere: monitor py-exec -c CODE, which waits for a safe point.\n",
			   th->tid, safety(space, th, gc));
}

/* ---- the command ---- */

struct order {
	unsigned int limit_s;
	bool no_output, official;
	char thread[NAME_MAX_]; /* "": the main one */
	const char *code;	/* or NULL */
	char file[NAME_MAX_];	/* or py-pdb's address */
};

static struct err *set_timeout(struct order *o, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!n || n > LIMIT_MAX_S || *end)
		return err_new(ERR_BAD_DATA, "--timeout takes seconds, 1 to %u", LIMIT_MAX_S);
	o->limit_s = (unsigned int)n;
	return NULL;
}

static struct err *set_thread(struct order *o, const char *value)
{
	if (!*value)
		return err_new(ERR_BAD_DATA, "--thread takes a thread's id, or its name");
	memcpy(o->thread, value, strlen(value) + 1);
	return NULL;
}

static struct err *set_no_output(struct order *o, const char *value)
{
	(void)value;
	o->no_output = true;
	return NULL;
}

static struct err *set_official(struct order *o, const char *value)
{
	(void)value;
	o->official = true;
	return NULL;
}

/* What is at *args up to one of @ends. */
static bool take_word(const char **args, const char *ends, char ret[NAME_MAX_])
{
	size_t n = strcspn(*args, ends);

	if (n >= NAME_MAX_)
		return false;
	memcpy(ret, *args, n);
	ret[n] = '\0';
	*args += n;
	return true;
}

static struct err *parse_option(const char **args, struct order *o)
{
	static const struct {
		const char *name;
		bool takes;
		struct err *(*set)(struct order *o, const char *value);
	} options[] = { { "--timeout", true, set_timeout },
			{ "--thread", true, set_thread },
			{ "--no-output", false, set_no_output },
			{ "--pep768", false, set_official } };
	char name[NAME_MAX_], value[NAME_MAX_] = "";

	bool fits = take_word(args, " =", name);
	for (size_t i = 0; fits && i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		*args += options[i].takes && **args ? 1 : 0;
		if (options[i].takes && !take_word(args, " ", value))
			return err_new(ERR_BAD_DATA, "%s: too long", options[i].name);
		*args += strspn(*args, " ");
		return options[i].set(o, value);
	}
	return err_new(ERR_BAD_DATA, "there is no option %.40s", fits ? name : "of that length");
}

static struct err *parse_options(const char **args, struct order *o)
{
	struct err *err = NULL;

	while (!err && strncmp(*args, "--", 2) == 0)
		err = parse_option(args, o);
	return err;
}

static struct err *parse(const char *args, struct order *o)
{
	struct err *err = parse_options(&args, o);
	if (err)
		return err;
	if (strncmp(args, "-c ", 3) == 0)
		o->code = args + 3 + strspn(args + 3, " ");
	else if (!*args || !take_word(&args, "", o->file))
		return err_new(ERR_BAD_DATA, "py-exec FILE, or py-exec -c CODE");
	return NULL;
}

static struct err *check(const struct session *s)
{
	if (!s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (s->options->read_only)
		return err_new(ERR_STATE, "the stub is read-only");
	if (s->target->pid <= 0)
		return err_new(ERR_STATE, "no process");
	if (s->target->still)
		return err_new(ERR_STATE, "%s", s->target->still);
	if (s->target->alone)
		return err_new(ERR_STATE, "not in non-stop mode");
	if (!s->target->run)
		return err_new(ERR_STATE, "nothing can be run in a process that is only looked at");
	return NULL;
}

static void put_outcome(const struct act_outcome *o, struct buf *out)
{
	buf_put(out, o->output.data, o->output.len);
	if (o->output.len && o->output.data[o->output.len - 1] != '\n')
		buf_puts(out, "\n");
	buf_put(out, o->text.data, o->text.len);
	if (o->end == ACT_OK && !o->output.len)
		buf_printf(out, "ok, after %u ms\n", o->took_ms);
}

/* Runs it, and leaves the process stopped unless it ended. */
static struct err *run(struct monitor_act *m, struct act_run *r, struct act_outcome *outcome)
{
	struct err *err = act_run(r, outcome);

	if (!r->target && !m->ended) {
		struct err *last = regain(m, &r->target);
		if (err)
			err_drop(last);
		else
			err = last;
	}
	m->s->target->judge = m->judge;
	view_moved(m->s);
	return err;
}

static void put_moved(struct monitor_act *m, const struct places *before, struct buf *out)
{
	struct places after;

	note_places(m->s, &after);
	if (!m->ended && !same_places(before, &after))
		buf_puts(out, "The program went on meanwhile; a debugger that keeps registers has "
			      "old ones (gdb: maintenance flush register-cache).\n");
	free(after.place);
}

static struct err *execute(struct session *s, const struct order *o, const struct buf *source,
			   struct buf *out)
{
	struct monitor_act m = { .s = s, .judge = s->target->judge, .standing = true };
	const struct act_ways ways = { release, regain, pause_for, &m };
	struct act_run r = { .ways = &ways,
			     .target = s->target,
			     .python = s->python,
			     .limit_ms = o->limit_s * 1000u,
			     .job = { .source = source->data,
				      .size = source->len,
				      .name = o->code ? "<py-exec -c>" : o->file,
				      .capture = !o->no_output,
				      .official = o->official,
				      .thread = *o->thread ? o->thread : NULL } };
	struct act_outcome outcome = { .end = ACT_OK };
	struct places before;

	act_init(&r.act);
	note_places(s, &before);
	struct err *err = run(&m, &r, &outcome);
	if (!err)
		put_outcome(&outcome, out);
	put_moved(&m, &before, out);
	free(before.place);
	act_deinit(&r.act);
	act_outcome_deinit(&outcome);
	return err;
}

static struct err *run_py_exec(struct session *s, const char *args, struct buf *out)
{
	struct order o = { .limit_s = LIMIT_S };
	_cleanup_buf_ struct buf source = { 0 };

	struct err *err = parse(args, &o);
	if (!err)
		err = check(s);
	if (!err && !o.code && s->options->no_host_io)
		err = err_new(ERR_STATE, "files are not served (--no-host-io): -c CODE");
	if (!err)
		err = act_file_read(o.file, o.code, &source);
	return err ? err : execute(s, &o, &source, out);
}

/* ---- pdb ---- */

struct monitor_pdb {
	struct monitor_act m; /* first: it is the `arg' of what both commands share */
	struct act_run run;
	struct act_talk talk;
	struct buf *out;
};

static bool talk_for(void *arg, unsigned int ms)
{
	struct monitor_pdb *p = arg;
	return p->m.ended || act_talk_pause(&p->talk, ms);
}

/* Leaves the process running, as long as there is somebody to talk to. */
static struct err *run_pdb(void *arg)
{
	struct monitor_pdb *p = arg;
	struct act_outcome outcome = { .end = ACT_OK };
	struct err *err = p->m.standing ? NULL : regain(&p->m, &p->run.target);

	if (err)
		return err;
	p->run.target = p->m.s->target;
	act_init(&p->run.act);
	err = act_run(&p->run, &outcome);
	if (!err && outcome.end != ACT_OK) {
		buf_put(p->out, outcome.text.data, outcome.text.len);
		err = err_new(ERR_STATE, "no pdb in process %d", p->m.s->target->pid);
	}
	act_deinit(&p->run.act);
	act_outcome_deinit(&outcome);
	if (!err && p->m.standing && !p->talk.closed)
		err = release(&p->m);
	return err;
}

/* To the client's console, now. */
static void say(struct session *s, const char *text)
{
	_cleanup_buf_ struct buf packet = { 0 };

	buf_puts(&packet, "O");
	buf_put_hex(&packet, text, strlen(text));
	if (!packet.failed)
		rsp_frame_write(&s->tx, packet.data, packet.len);
	if (s->push)
		(void)s->push(s->push_arg);
}

static struct err *wait_client(struct monitor_pdb *p, const struct order *o, int *ret)
{
	struct listener l;
	_cleanup_buf_ struct buf said = { 0 };
	char line[256];

	struct err *err = act_talk_listen(*o->file ? o->file : "127.0.0.1:0", &l, &said);
	if (err)
		return err;
	buf_put(&said, "", 1);
	snprintf(line, sizeof(line), "For pdb, elsewhere: %.160s\n",
		 said.failed ? "" : (char *)said.data);
	say(p->m.s, line);
	err = act_talk_accept(&l, o->limit_s * 1000u, &p->talk, ret);
	listener_close(&l);
	return err;
}

/* The client's debugger waits meanwhile; the process is stopped again in the end. */
static struct err *talk(struct monitor_pdb *p, const struct order *o)
{
	int client = -1;

	struct err *err = wait_client(p, o, &client);
	if (err)
		return err;
	p->talk.in = p->talk.out = client;
	err = act_talk_follow(&p->talk, run_pdb, p);
	close(client);
	if (!p->m.standing && !p->m.ended) {
		struct err *last = regain(&p->m, &p->run.target);
		if (err)
			err_drop(last);
		else
			err = last;
	}
	p->m.s->target->judge = p->m.judge;
	view_moved(p->m.s);
	return err;
}

static struct err *run_py_pdb(struct session *s, const char *args, struct buf *out)
{
	struct order o = { .limit_s = CLIENT_S };
	struct monitor_pdb p = { .m = { .s = s, .judge = s->target->judge, .standing = true },
				 .out = out };
	const struct act_ways ways = { release, regain, talk_for, &p };
	struct places before;

	struct err *err = parse_options(&args, &o);
	if (!err && (!take_word(&args, "", o.file) || strchr(o.file, ' ')))
		err = err_new(ERR_BAD_DATA, "py-pdb [--thread T] [unix:PATH|HOST:PORT]");
	if (!err)
		err = check(s);
	if (err)
		return err;
	p.run = (struct act_run){ .ways = &ways,
				  .python = s->python,
				  .limit_ms = FOREVER_MS,
				  .job = act_talk_job(*o.thread ? o.thread : NULL, o.official) };
	p.talk = (struct act_talk){ .run = &p.run,
				    .in = -1,
				    .out = -1,
				    .signals = -1,
				    .link = -1,
				    .look = attend,
				    .look_arg = &p };
	note_places(s, &before);
	err = talk(&p, &o);
	if (!err && !p.m.ended)
		buf_puts(out, "pdb has left; the program is stopped again.\n");
	put_moved(&p.m, &before, out);
	free(before.place);
	return err;
}

/* clang-format off */
const struct monitor monitor_act[] = {
	{ "py-exec", "[--timeout=SECONDS] [--no-output] [--thread T] [--pep768] FILE|-c CODE",
	  "Run Python code in a thread of the process, the main one or T, at a safe point", true,
	  run_py_exec },
	{ "py-pdb", "[--timeout=SECONDS] [--thread T] [--pep768] [unix:PATH|HOST:PORT]",
	  "Let Python's pdb talk to whoever connects, while the process runs", true, run_py_pdb },
};
/* clang-format on */
const size_t monitor_nact = sizeof(monitor_act) / sizeof(monitor_act[0]);
