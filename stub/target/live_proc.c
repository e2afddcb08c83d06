/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a process.
 *
 * The kernel prints paths as the reader's root sees them.  A client wants them
 * as the inferior does, so the prefix of a chrooted process's root is cut off.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define PROC_FILE_MAX (64u << 20) /* of one /proc file; 5,000 mappings are half a megabyte */

static struct err *read_file(const char *path, struct buf *out)
{
	char chunk[16384];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_os("opening %s", path);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && out->len < PROC_FILE_MAX)
		buf_put(out, chunk, (size_t)n);
	struct err *err = n < 0 ? err_os("reading %s", path) : NULL;
	close(fd);
	return err;
}

pid_t proc_living(const struct live *l)
{
	for (const struct lwp *p = l->first; p; p = p->next)
		if (!p->zombie)
			return p->tid;
	return l->target.pid;
}

struct err *proc_open(struct live *l)
{
	char path[64];
	pid_t pid = proc_living(l);

	proc_close(l);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	l->mem_fd = open(path, (l->reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (l->mem_fd < 0)
		return err_os("opening %s", path);
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	l->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return NULL;
}

void proc_close(struct live *l)
{
	guard_stop(l->guard);
	l->guard = NULL;
	if (l->mem_fd >= 0)
		close(l->mem_fd);
	if (l->root_fd >= 0)
		close(l->root_fd);
	if (l->task_fd >= 0)
		close(l->task_fd);
	l->mem_fd = l->root_fd = l->task_fd = -1;
}

/* The inferior's root as we see it, without a trailing slash: "" if it is ours. */
static void root_prefix(pid_t pid, char ret[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/%d/root", pid);
	ssize_t n = readlink(link, ret, PATH_MAX - 1);
	if (n < 1 || (n == 1 && ret[0] == '/'))
		n = 0;
	ret[n] = '\0';
}

static const char *cut_prefix(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);
	if (n && strncmp(path, prefix, n) == 0 && path[n] == '/')
		return path + n;
	return path;
}

struct err *proc_maps(struct target *t, struct maps *ret)
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[64], root[PATH_MAX];

	pid_t pid = proc_living(to_live(t));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	struct err *err = read_file(path, &text);
	if (!err && text.failed)
		err = &err_nomem;
	if (!err)
		err = maps_parse((const char *)text.data, text.len, ret);
	if (err)
		return err;
	root_prefix(pid, root);
	for (size_t i = 0; root[0] && i < ret->n; i++) {
		const char *cut = cut_prefix(ret->map[i].path, root);
		memmove(ret->map[i].path, cut, strlen(cut) + 1);
	}
	return NULL;
}

static bool is_file_of(int fd, const struct map *m)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == m->inode;
}

int proc_open_map(struct target *t, const struct map *m)
{
	char path[96];
	if (!m->inode)
		return -1;
	/* The mapping itself: right even if the file was deleted or replaced.  Needs a capability. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
		 proc_living(to_live(t)), m->start, m->end);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && is_file_of(fd, m))
		return fd;
	if (fd >= 0)
		close(fd);
	if (m->path[0] != '/' || to_live(t)->root_fd < 0)
		return -1;
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_IN_ROOT };
	fd = (int)syscall(SYS_openat2, to_live(t)->root_fd, m->path, &how, sizeof(how));
	if (fd >= 0 && is_file_of(fd, m))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

#define PAGEMAP_ENTRIES 512u
#define PAGEMAP_USED	62u /* from this bit on: present, or swapped (Linux, admin-guide/mm/pagemap) */

void proc_present(struct target *t, uint64_t addr, size_t n, uint8_t *ret)
{
	uint64_t entry[PAGEMAP_ENTRIES];
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/pagemap", proc_living(to_live(t)));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t at = 0; fd >= 0 && at < n;) {
		size_t want = n - at < PAGEMAP_ENTRIES ? n - at : PAGEMAP_ENTRIES;
		ssize_t got = pread(fd, entry, want * sizeof(entry[0]),
				    (off_t)((addr / MEM_PAGE + at) * sizeof(entry[0])));
		if (got < (ssize_t)sizeof(entry[0]))
			break;
		for (size_t i = 0; i < (size_t)got / sizeof(entry[0]); i++)
			ret[at + i] = entry[i] >> PAGEMAP_USED != 0;
		at += (size_t)got / sizeof(entry[0]);
	}
	if (fd >= 0)
		close(fd);
}

int proc_root_fd(struct target *t)
{
	return to_live(t)->root_fd;
}

struct err *proc_auxv(struct target *t, struct buf *out)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/auxv", proc_living(to_live(t)));
	return read_file(path, out);
}

struct err *proc_exec_file(struct target *t, struct buf *out)
{
	char link[64], path[PATH_MAX], root[PATH_MAX];

	pid_t pid = proc_living(to_live(t));

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return err_os("reading %s", link);
	path[n] = '\0';
	root_prefix(pid, root);
	buf_puts(out, cut_prefix(path, root));
	return NULL;
}

/* What stat(5) says of a thread: its text in @buf.  False: the thread is gone. */
static bool read_stat(int at, const char *path, char *buf, size_t size)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The text after the last ')': the name before it may hold anything. */
static const char *stat_fields(const char *text)
{
	const char *paren = strrchr(text, ')');
	return paren && paren[1] == ' ' ? paren + 2 : NULL;
}

char proc_state(pid_t pid, pid_t tid)
{
	char buf[1024], path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	const char *fields = read_stat(AT_FDCWD, path, buf, sizeof(buf)) ? stat_fields(buf) : NULL;
	if (!fields)
		return 0;
	return *fields;
}

/* Field 39 of stat(5), "processor"; @fields begins with field 3. */
static int processor(const char *fields)
{
	for (int i = 3; i < 39; i++) {
		fields = strchr(fields, ' ');
		if (!fields)
			return -1;
		fields++;
	}
	return (int)strtol(fields, NULL, 10);
}

/* The name between the parentheses, unless the kernel had to escape something in it. */
static bool name_in_stat(const char *text, const char *fields, char *ret, size_t size)
{
	const char *from = strchr(text, '(') + 1, *to = fields - 2;

	if (to < from || (size_t)(to - from) >= size || memchr(from, '\\', (size_t)(to - from)))
		return false;
	memcpy(ret, from, (size_t)(to - from));
	ret[to - from] = '\0';
	return true;
}

static void read_comm(int at, pid_t tid, char *ret, size_t size)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/comm", tid);
	if (!read_stat(at, path, ret, size))
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* One file for each thread: there may be thousands. */
static struct err *read_info(struct live *l, pid_t tid, struct thread_info *ret)
{
	char path[64], buf[1024];

	*ret = (struct thread_info){ .core = -1 };
	if (l->task_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/task", l->target.pid);
		l->task_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	snprintf(path, sizeof(path), "%d/stat", tid);
	if (!read_stat(l->task_fd, path, buf, sizeof(buf)))
		return err_os("opening /proc/%d/task/%s", l->target.pid, path);
	const char *fields = stat_fields(buf);
	if (!fields)
		return NULL;
	ret->core = processor(fields);
	if (!name_in_stat(buf, fields, ret->name, sizeof(ret->name)))
		read_comm(l->task_fd, tid, ret->name, sizeof(ret->name));
	return NULL;
}

/* What it was is what it is, as long as nobody has moved. */
struct err *proc_thread_info(struct target *t, pid_t tid, struct thread_info *ret)
{
	struct live *l = to_live(t);
	struct lwp *p = l->phase == LIVE_STOPPED && !l->reads_only ? lwp_find(l, tid) : NULL;

	if (p && p->info_moves == l->moves + 1) {
		*ret = p->info;
		return NULL;
	}
	struct err *err = read_info(l, tid, ret);
	if (!err && p) {
		p->info = *ret;
		p->info_moves = l->moves + 1;
	}
	return err;
}

struct err *proc_tasks(pid_t pid, struct err *(*visit)(struct live *l, pid_t tid), struct live *l)
{
	char path[64];
	struct err *err = NULL;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return err_os("opening %s", path);
	for (struct dirent *d; !err && (d = readdir(dir));) {
		long tid = strtol(d->d_name, NULL, 10);
		if (tid > 0)
			err = visit(l, (pid_t)tid);
	}
	closedir(dir);
	return err;
}

long proc_status_field(pid_t pid, const char *name)
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	struct err *err = read_file(path, &text);
	buf_put(&text, "", 1);
	if (err || text.failed) {
		err_drop(err); /* the caller asks about a process that may be gone */
		return -1;
	}
	size_t n = strlen(name);
	for (const char *line = (const char *)text.data; line && *line;) {
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return strtol(line + n + 1, NULL, 10);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

static long yama_scope(void)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct err *err = read_file("/proc/sys/kernel/yama/ptrace_scope", &text);
	if (err) {
		err_drop(err); /* no Yama, no restriction of its */
		return 0;
	}
	buf_put(&text, "", 1);
	return text.failed ? 0 : strtol((const char *)text.data, NULL, 10);
}

void proc_explain_denied(pid_t pid, int os_errno, char *ret, size_t size)
{
	long tracer = proc_status_field(pid, "TracerPid");
	long yama = yama_scope();

	if (os_errno == ESRCH || tracer < 0)
		snprintf(ret, size, "there is no such process");
	else if (proc_status_field(pid, "Tgid") != pid)
		snprintf(ret, size, "it is a thread of process %ld; attach to that",
			 proc_status_field(pid, "Tgid"));
	else if (tracer > 0)
		snprintf(ret, size, "it is already traced by process %ld", tracer);
	else if (proc_state(pid, pid) == 'Z')
		snprintf(ret, size, "it is a zombie: it has ended and waits for its parent");
	else if (proc_status_field(pid, "VmSize") < 0)
		snprintf(ret, size, "it is a thread of the kernel");
	else if (os_errno == EPERM && yama == 3)
		snprintf(ret, size, "yama ptrace_scope is 3: nobody may attach until a reboot");
	else if (os_errno == EPERM && yama > 0 && geteuid() != 0)
		snprintf(ret, size, "yama ptrace_scope is %ld: give CAP_SYS_PTRACE or set it to 0",
			 yama);
	else if (os_errno == EPERM)
		snprintf(ret, size, "ptrace denied: run as its user or with CAP_SYS_PTRACE");
	else
		snprintf(ret, size, "%s", strerror(os_errno));
}
