/* SPDX-License-Identifier: MIT */
#include "stub/act_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

void act_init(struct act *a)
{
	*a = (struct act){ .there = -1, .path_there = -1, .fd = -1 };
}

void act_deinit(struct act *a)
{
	if (a->fd >= 0)
		close(a->fd);
	buf_deinit(&a->auxv);
	act_init(a);
}

/* ---- system calls of the process ---- */

static struct err *remote(struct target *t, const char *what, const struct space_syscall *call,
			  uint64_t *ret)
{
	struct err *err = t->call->syscall(t, call, ret);
	if (err || *ret <= (uint64_t)-4096)
		return err;
	int number = (int)-*ret;
	err = err_new(ERR_STATE, "the process may not %s: %s%s", what, strerror(number),
		      number == EPERM || number == EACCES || number == ENOSYS
			      ? " (a seccomp filter, or another policy of its system)"
			      : "");
	err->os_errno = number;
	return err;
}

static struct err *map_page(struct act *a, struct target *t)
{
	a->size = a->way == ACT_BY_DETOUR ? ACT_SIZE : ACT_PAGE;
	const struct space_syscall call = {
		.nr = SYS_mmap,
		.arg = { 0, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 UINT64_MAX, 0 },
	};
	return remote(t, "map memory", &call, &a->page);
}

static struct err *allow_code(const struct act *a, struct target *t)
{
	const struct space_syscall call = {
		.nr = SYS_mprotect,
		.arg = { a->page + ACT_CODE_AT, TARGET_DETOUR_CODE, PROT_READ | PROT_EXEC },
	};
	uint64_t result;

	return remote(t, "execute new memory", &call, &result);
}

void act_unmap_page(struct act *a, struct target *t)
{
	const struct space_syscall call = { .nr = SYS_munmap, .arg = { a->page, a->size } };
	uint64_t result;

	if (a->page)
		err_drop(remote(t, "unmap memory", &call, &result)); /* it is ending */
	a->page = 0;
}

static struct err *make_file(struct act *a, struct target *t, int *ret)
{
	static const char name[] = "archerfish";
	struct space_syscall call = { .nr = SYS_memfd_create,
				      .arg = { a->page + ACT_NAME_AT, MFD_CLOEXEC } };
	uint64_t fd = 0;

	struct err *err = mem_write(&t->mem, a->page + ACT_NAME_AT, name, sizeof(name));
	if (!err)
		err = remote(t, "make a memfd", &call, &fd);
	if (err && (err->os_errno == EACCES || err->os_errno == EINVAL)) {
		/* sysctl vm.memfd_noexec */
		call.arg[1] |= MFD_NOEXEC_SEAL;
		err_drop(err);
		err = remote(t, "make a memfd", &call, &fd);
	}
	if (!err)
		*ret = (int)fd;
	return err;
}

static int open_theirs(const struct act *a, int number)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", a->pid, number);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void close_theirs(const struct act *a, struct target *t, int *number, uint64_t inode)
{
	const struct space_syscall call = { .nr = SYS_close, .arg = { (uint64_t)*number } };
	struct stat st;
	uint64_t result;
	int fd = *number >= 0 ? open_theirs(a, *number) : -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_ino == inode)
		err_drop(remote(t, "close a file", &call, &result)); /* it is ending */
	if (fd >= 0)
		close(fd);
	*number = -1;
}

/* Its number may be another file's by now. */
void act_close_file(struct act *a, struct target *t)
{
	close_theirs(a, t, &a->there, a->inode);
}

void act_close_path(struct act *a, struct target *t)
{
	close_theirs(a, t, &a->path_there, a->path_inode);
}

/* ---- the file ---- */

static struct err *write_file(int fd, const void *data, size_t len, size_t at)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_os("writing the script to the process");
		p += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct act_layout lay_out(const struct act *a)
{
	struct act_layout l = { .fd = a->there,
				.wrapper_at = ACT_FILE_TEXT_AT,
				.wrapper_size = strlen(act_wrapper),
				.name_at = ACT_FILE_NAME_AT,
				.name_size = strnlen(a->job.name, ACT_NAME_MAX),
				.source_size = a->job.size,
				.capture = a->job.capture,
				.bridge = a->job.bridge,
				.worker = a->worker == a->main ? 0 : a->ident,
				.later = a->way == ACT_AT_LINE };
	l.source_at = l.wrapper_at + l.wrapper_size;
	l.result_at = (l.source_at + l.source_size + ACT_PAGE) & ~(size_t)(ACT_PAGE - 1);
	return l;
}

/* Opens the file that is at descriptor @number there; *inode is to know it again by. */
static struct err *open_file(const struct act *a, int number, int *ret, uint64_t *inode)
{
	struct stat st;

	*ret = open_theirs(a, number);
	if (*ret < 0 || fstat(*ret, &st) != 0)
		return err_os("opening the script in the process");
	*inode = (uint64_t)st.st_ino;
	return NULL;
}

static struct err *fill_file(struct act *a, struct act_layout *l)
{
	*l = lay_out(a);
	struct err *err = open_file(a, a->there, &a->fd, &a->inode);
	if (err)
		return err;
	a->result_at = l->result_at;
	err = write_file(a->fd, a->job.name, l->name_size, l->name_at);
	if (!err)
		err = write_file(a->fd, act_wrapper, l->wrapper_size, l->wrapper_at);
	if (!err)
		err = write_file(a->fd, a->job.source, a->job.size, l->source_at);
	return err;
}

static struct err *fill_page(struct act *a, struct target *t, const struct act_layout *l,
			     uint64_t *object)
{
	uint8_t forged[PY_FORGED_SIZE];
	_cleanup_buf_ struct buf text = { 0 };

	act_put_text(l, &text);
	buf_put(&text, "", 1);
	if (text.failed)
		return &err_nomem;
	*object = py_acting_forge(&a->facts, a->page, a->page + ACT_TEXT_AT, forged);
	struct err *err = mem_write(&t->mem, a->page, forged, sizeof(forged));
	return err ? err : mem_write(&t->mem, a->page + ACT_TEXT_AT, text.data, text.len);
}

/* ---- the table of handlers ---- */

static uint64_t handler_at(const struct act *a, int signo)
{
	return a->facts.handlers + (unsigned int)signo * PY_HANDLER_SIZE;
}

static struct err *set_handler(const struct act *a, struct target *t, int signo, uint64_t func,
			       uint32_t tripped)
{
	struct err *err =
		mem_write(&t->mem, handler_at(a, signo) + PY_HANDLER_FUNC, &func, sizeof(func));
	if (!err)
		err = mem_write(&t->mem, handler_at(a, signo) + PY_HANDLER_TRIPPED, &tripped,
				sizeof(tripped));
	return err;
}

/*
 * To 3.9 there is a function for SIGINT alone: for its time SIGINT has our handler, then
 * what it noted is moved over, before anybody has run.
 */
static struct err *trip_by_sigint(struct act *a, struct target *t, uint64_t func)
{
	uint8_t was[PY_HANDLER_SIZE];
	uint64_t at = handler_at(a, SIGINT);

	struct err *err = mem_read(&t->mem, at, was, sizeof(was));
	if (!err)
		err = set_handler(a, t, SIGINT, func, 0);
	if (err)
		return err;
	err = t->call->function(t, 0, a->facts.interrupt, SIGINT);
	struct err *last = mem_write(&t->mem, at, was, sizeof(was));
	if (!err)
		err = last;
	else
		err_drop(last);
	return err ? err : set_handler(a, t, a->signo, func, 1);
}

/* The object at @func is called as soon as Python looks for signals. */
struct err *act_trip(struct act *a, struct target *t, uint64_t func)
{
	if (!a->facts.interrupts_any)
		return trip_by_sigint(a, t, func);
	struct err *err = set_handler(a, t, a->signo, func, 0);
	if (!err)
		err = t->call->function(t, 0, a->facts.interrupt, (uint64_t)a->signo);
	return err;
}

void act_restore_handler(struct act *a, struct target *t)
{
	if (a->signo)
		err_drop(set_handler(a, t, a->signo, a->facts.no_handler, 0)); /* it is ending */
	a->signo = 0;
}

/* ---- arming ---- */

static struct err *find_facts(struct act *a, struct target *t, struct python *py)
{
	const struct py_runtime *rt;
	const struct space *space;

	struct err *err = target_space(t, &space);
	if (!err)
		err = python_runtime(py, space, &rt);
	if (!err)
		err = py_acting_find(space, rt, &a->facts);
	a->have_facts = !err;
	return err;
}

void act_prepare(struct act *a, struct target *t, struct python *py)
{
	struct err *err = t->ops->auxv(t, &a->auxv);
	if (!err)
		err = find_facts(a, t, py);
	err_drop(err); /* act_arm() tries again, and says it */
}

/* Whether it is still the same program that we know something of. */
bool act_is_same(struct act *a, struct target *t)
{
	_cleanup_buf_ struct buf now = { 0 };
	struct err *err = t->ops->auxv(t, &now);
	bool same = !err && !now.failed && now.len == a->auxv.len && now.len &&
		    memcmp(now.data, a->auxv.data, now.len) == 0;
	err_drop(err);
	return same;
}

static struct err *check(struct act *a, struct target *t, struct python *py)
{
	if (t->still)
		return err_new(ERR_STATE, "%s", t->still);
	if (!t->call || !t->call->function || !t->write)
		return err_new(ERR_STATE, "nothing can be run in a process that is only looked at");
	if (!a->have_facts || !act_is_same(a, t)) {
		buf_clear(&a->auxv);
		act_prepare(a, t, py);
	}
	struct err *err = a->have_facts ? NULL : find_facts(a, t, py);
	return err ? err : act_choose_way(a, t, py);
}

struct err *act_choose_signal(struct act *a, struct target *t)
{
	const struct space *space;
	struct err *err = target_space(t, &space);
	if (err)
		return err;
	a->signo = py_acting_free_signal(space, &a->facts);
	if (!a->signo)
		return err_new(ERR_STATE, "the program has handlers for all signals from 40 to 63");
	return NULL;
}

static struct err *trip(struct act *a, struct target *t, uint64_t object)
{
	struct err *err = act_choose_signal(a, t);
	if (!err)
		err = act_trip(a, t, object);
	if (!err)
		(void)t->call->wake(t, a->main);
	return err;
}

static struct err *detour(struct act *a, struct target *t)
{
	const struct target_detour d = {
		.code = a->page + ACT_CODE_AT,
		.data = a->page + ACT_DATA_AT,
		.before = a->facts.ensure,
		.function = a->facts.run_string,
		.arg = a->page + ACT_TEXT_AT,
		.after = a->facts.release,
	};
	struct err *err = allow_code(a, t);
	return err ? err : t->call->detour(t, a->worker, &d);
}

/* The interpreter opens a file with the text that the forged handler would run. */
static struct err *ask_officially(struct act *a, struct target *t, struct python *py,
				  const struct act_layout *l)
{
	_cleanup_buf_ struct buf text = { 0 };
	int fd = -1;

	act_put_text(l, &text);
	struct err *err = text.failed ? &err_nomem : make_file(a, t, &a->path_there);
	if (!err)
		err = open_file(a, a->path_there, &fd, &a->path_inode);
	if (!err)
		err = write_file(fd, text.data, text.len, 0);
	if (fd >= 0)
		close(fd);
	if (!err)
		err = act_official_ask(a, t, py, a->path_there);
	if (!err)
		(void)t->call->wake(t, a->worker);
	return err;
}

static struct err *arm(struct act *a, struct target *t, struct python *py)
{
	struct act_layout layout;
	uint64_t object;

	struct err *err = map_page(a, t);
	if (!err)
		err = make_file(a, t, &a->there);
	if (!err)
		err = fill_file(a, &layout);
	if (!err)
		err = fill_page(a, t, &layout, &object);
	if (err)
		return err;
	if (a->way == ACT_OFFICIAL)
		return ask_officially(a, t, py, &layout);
	return a->way == ACT_BY_DETOUR ? detour(a, t) : trip(a, t, object);
}

struct err *act_arm(struct act *a, struct target *t, struct python *py, const struct act_job *job)
{
	if (job->size > ACT_SOURCE_MAX)
		return err_new(ERR_STATE, "a script of %zu MiB is too large: at most %u",
			       job->size >> 20, ACT_SOURCE_MAX >> 20);
	a->job = *job;
	a->pid = t->pid;
	struct err *err = check(a, t, py);
	if (err)
		return err;
	err = arm(a, t, py);
	if (err) {
		act_restore_handler(a, t);
		act_close_path(a, t);
		act_close_file(a, t);
		act_unmap_page(a, t);
	}
	return err;
}
