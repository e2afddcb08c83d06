/* SPDX-License-Identifier: MIT */
/* What became of a script, and taking out again what was put into the process for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stub/act_priv.h"

#define STACK_LOOK   (256u << 10) /* of the thread's stack, for pointers into the page */
#define FILE_OF_OURS "<archerfish>"

static uint64_t file_word(const struct act *a, off_t at)
{
	uint64_t v = 0;
	if (pread(a->fd, &v, sizeof(v), at) != (ssize_t)sizeof(v))
		return 0;
	return v;
}

static bool is_alive(const struct act *a)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", a->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *paren = strrchr(text, ')');
	return paren && paren[1] == ' ' && paren[2] != 'Z' && paren[2] != 'X';
}

enum act_state act_poll(struct act *a)
{
	bool alive = is_alive(a);

	if (file_word(a, ACT_WORD_DONE))
		return ACT_DONE;
	if (!alive)
		return ACT_GONE;
	return file_word(a, ACT_WORD_BEGUN) ? ACT_RUNS : ACT_WAITS;
}

static pid_t sleeper(const struct act *a)
{
	return a->way == ACT_OFFICIAL ? a->worker : a->main;
}

bool act_is_asleep(const struct act *a)
{
	char path[64], text[128];

	if (a->way == ACT_BY_DETOUR)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", a->pid, sleeper(a));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	return n > 0 && *text >= '0' && *text <= '9'; /* else "running", or -1 */
}

void act_wake(struct act *a, struct target *t)
{
	if (act_poll(a) == ACT_WAITS && target_has_thread(t, sleeper(a)))
		(void)t->call->wake(t, sleeper(a));
}

int act_take_link(struct act *a)
{
	uint64_t theirs = file_word(a, ACT_WORD_LINK);
	int process = theirs ? (int)syscall(SYS_pidfd_open, a->pid, 0) : -1;

	if (process < 0)
		return -1;
	int fd = (int)syscall(SYS_pidfd_getfd, process, (int)theirs - 1, 0);
	int why = errno;
	close(process);
	errno = why;
	return fd;
}

bool act_can_revoke(const struct act *a)
{
	return a->way == ACT_AT_LINE && file_word(a, ACT_WORD_STOP);
}

/* One for us: the script may end before Python looks for signals again. */
static struct err *add_reference(const struct act *a, struct target *t, uint64_t func)
{
	uint64_t at = func + a->facts.refcnt_at;
	uint32_t references;

	struct err *err = mem_read(&t->mem, at, &references, sizeof(references));
	references++;
	return err ? err : mem_write(&t->mem, at, &references, sizeof(references));
}

struct err *act_cancel(struct act *a, struct target *t)
{
	uint64_t func = file_word(a, ACT_WORD_STOP);
	enum act_state state = act_poll(a);

	if ((state != ACT_RUNS && (state != ACT_WAITS || !act_can_revoke(a))) || !func ||
	    !act_is_same(a, t))
		return err_new(ERR_STATE, "the script does not run");
	struct err *err = a->signo ? NULL : act_choose_signal(a, t);
	if (!err && !a->stop_func)
		err = add_reference(a, t, func);
	if (!err)
		err = act_trip(a, t, func);
	if (err)
		return err;
	a->stop_func = func;
	(void)t->call->wake(t, a->main);
	return NULL;
}

/* ---- taking it out ---- */

/* A part of the page. */
struct part {
	uint64_t start, len;
};

static bool points_in(const struct part *p, uint64_t v)
{
	return v - p->start < p->len;
}

/* Whether the thread has a pointer into @p: in a register, or on its stack in use. */
static bool has_pointer(const struct act *a, const struct space *space, const struct part *p)
{
	uint64_t words[512], regs[64];
	struct space_regs dwarf;
	size_t n = space->thread_regs ? space->thread_regs(space->ctx, a->tid, regs, 64) : 0;

	for (size_t i = 0; i < n; i++)
		if (points_in(p, regs[i]))
			return true;
	if (!space->dwarf_regs || !space->dwarf_regs(space->ctx, a->tid, &dwarf))
		return true;
	if (points_in(p, dwarf.value[SPACE_REG_PC]))
		return true;
	uint64_t sp = dwarf.value[SPACE_REG_SP];
	for (uint64_t at = sp; at < sp + STACK_LOOK; at += sizeof(words)) {
		size_t len = mem_read_some(space->mem, at, words, sizeof(words));
		for (size_t i = 0; i < len / 8; i++)
			if (points_in(p, words[i]))
				return true;
		if (len < sizeof(words))
			break;
	}
	return false;
}

static const struct py_thread *thread_of(const struct py_snapshot *s, pid_t tid)
{
	for (size_t i = 0; i < s->nthreads; i++)
		if (s->threads[i].tid == tid && !s->threads[i].corrupt)
			return &s->threads[i];
	return NULL;
}

/* Whether the thread's Python stack is known to have nothing of ours on it. */
static bool stack_is_clean(const struct act *a, struct python *py, const struct space *space,
			   bool begun)
{
	const struct py_walk walk = { .in_passing = false };
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, space, &walk, &snap);
	const struct py_thread *th = err ? NULL : thread_of(snap, a->tid);

	err_drop(err);
	if (!th)
		return false;
	const struct py_frame *f = &snap->frames[th->first_frame];
	if (!begun)
		return th->nframes == a->nframes && (!th->nframes || f->addr == a->top);
	for (size_t i = 0; i < th->nframes; i++)
		if (strcmp(f[i].file, FILE_OF_OURS) == 0)
			return false;
	return true;
}

/*
 * The functions of a detour have returned, and its end is over, too.  What they left on the
 * stack may be there yet: it lies where other functions have variables that are not set.
 */
static bool detour_is_over(const struct act *a, struct target *t, const struct space *space)
{
	const struct part end = { a->page + ACT_CODE_AT + TARGET_DETOUR_END,
				  TARGET_DETOUR_CODE - TARGET_DETOUR_END };
	uint32_t left = 0;

	struct err *err =
		mem_read(&t->mem, a->page + ACT_DATA_AT + TARGET_DETOUR_LEFT, &left, sizeof(left));
	err_drop(err); /* then it is not known */
	return left && !has_pointer(a, space, &end);
}

/*
 * Nothing points into the page, or what does is old: the thread sleeps in the kernel, and
 * not below anything of ours.
 */
static bool is_left(struct act *a, struct target *t, struct python *py)
{
	enum act_state state = act_poll(a);
	struct space_syscall call;
	const struct space *space;

	if (state == ACT_RUNS)
		return false;
	if (!target_has_thread(t, a->tid))
		return true;
	struct err *err = target_space(t, &space);
	if (err) {
		err_drop(err); /* then it is not known */
		return false;
	}
	if (!has_pointer(a, space, &(struct part){ a->page, a->size }))
		return true;
	if (a->way == ACT_BY_DETOUR)
		return detour_is_over(a, t, space);
	return space->thread_syscall && space->thread_syscall(space->ctx, a->tid, &call) &&
	       stack_is_clean(a, py, space, state == ACT_DONE);
}

/* It may be about to look up the handler that we are going to take away. */
static bool looks_for_handler(const struct act *a, struct target *t)
{
	uint64_t regs[64];
	const struct space *space;
	struct err *err = target_space(t, &space);
	size_t n =
		!err && space->thread_regs ? space->thread_regs(space->ctx, a->main, regs, 64) : 0;

	err_drop(err); /* it is ending */
	for (size_t i = 0; i < n; i++)
		if (regs[i] - a->facts.handlers < PY_SIGNALS * PY_HANDLER_SIZE)
			return true;
	return false;
}

/* What has not begun by now does nothing. */
static void unarm(struct act *a, struct target *t, struct python *py)
{
	if (a->way == ACT_OFFICIAL)
		act_official_revoke(a, t, py);
	if (a->way == ACT_BY_DETOUR)
		err_drop(mem_write(&t->mem, a->page + ACT_TEXT_AT, "", 1)); /* it is ending */
}

bool act_clear(struct act *a, struct target *t, struct python *py)
{
	if (!a->page)
		return true;
	if (!act_is_same(
		    a, t)) { /* another program has taken its place, and had a memory of its own */
		a->page = 0;
		a->there = a->path_there = -1;
		a->signo = 0;
		return true;
	}
	if (act_poll(a) == ACT_WAITS)
		unarm(a, t, py);
	if (act_poll(a) == ACT_WAITS && looks_for_handler(a, t))
		return false;
	act_restore_handler(a, t);
	if (!is_left(a, t, py))
		return false;
	if (act_poll(a) != ACT_DONE)
		act_close_file(a, t);
	act_close_path(a, t);
	act_unmap_page(a, t);
	return true;
}

static struct err *read_part(const struct act *a, uint64_t at, uint64_t len, struct buf *out)
{
	while (len) {
		uint8_t chunk[65536];
		size_t want = len < sizeof(chunk) ? len : sizeof(chunk);
		ssize_t n = pread(a->fd, chunk, want, (off_t)at);
		if (n <= 0)
			return err_new(ERR_BAD_DATA, "the script's result is not all there");
		buf_put(out, chunk, (size_t)n);
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return out->failed ? &err_nomem : NULL;
}

struct err *act_result(struct act *a, enum act_end *end, struct buf *text, struct buf *output)
{
	uint64_t len = file_word(a, ACT_WORD_DONE), text_len;
	uint8_t head[9];

	if (len < sizeof(head) || len > ACT_RESULT_MAX ||
	    pread(a->fd, head, sizeof(head), (off_t)a->result_at) != (ssize_t)sizeof(head))
		return err_new(ERR_BAD_DATA, "the script's result has %llu bytes",
			       (unsigned long long)len);
	memcpy(&text_len, head + 1, sizeof(text_len));
	if (text_len > len - sizeof(head))
		return err_new(ERR_BAD_DATA, "the script's result contradicts itself");
	*end = head[0] == 'o'	? ACT_OK
	       : head[0] == 'c' ? ACT_CANCELLED
	       : head[0] == 'n' ? ACT_NEVER
				: ACT_RAISED;
	struct err *err = read_part(a, a->result_at + sizeof(head), text_len, text);
	if (!err)
		err = read_part(a, a->result_at + sizeof(head) + text_len,
				len - sizeof(head) - text_len, output);
	return err;
}
