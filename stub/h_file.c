/* SPDX-License-Identifier: MIT */
/*
 * vFile: files for the client, as the inferior sees them (GDB manual, "Host I/O
 * Packets").  gdb reads every library of its target this way.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/fileio.h"
#include "stub/files.h"
#include "stub/handlers.h"
#include "stub/root.h"
#include "stub/session.h"
#include "stub/view.h"

/* Room for "F", the longest length and ";". */
#define REPLY_HEAD 18u

/* Each appends its whole reply and returns 0, or returns an errno. */
typedef int (*file_op)(struct session *s, struct rsp_cursor *args, struct buf *out);

static void put_number(struct buf *out, uint64_t n)
{
	buf_printf(out, "F%llx", (unsigned long long)n);
}

static void put_data(struct buf *out, const void *data, size_t len)
{
	put_number(out, len);
	buf_puts(out, ";");
	buf_put(out, data, len);
}

/* A path in hex, the last argument or before a comma. */
static int parse_path(struct rsp_cursor *args, char ret[PATH_MAX])
{
	struct rsp_cursor hex;

	if (!cur_token(args, ',', &hex))
		return EINVAL;
	size_t len = cur_left(&hex) / 2;
	if (len >= PATH_MAX)
		return ENAMETOOLONG;
	if (!cur_hexbytes(&hex, ret, len) || !cur_end(&hex) || memchr(ret, '\0', len))
		return EINVAL;
	ret[len] = '\0';
	return 0;
}

static int parse_only_path(struct rsp_cursor *args, char ret[PATH_MAX])
{
	int error = parse_path(args, ret);
	return error || cur_end(args) ? error : EINVAL;
}

static int op_setfs(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	uint64_t pid;
	int root = -1;

	if (!cur_hex(args, &pid) || !cur_end(args) || pid > INT_MAX)
		return EINVAL;
	if (pid && pid == (uint64_t)s->target->pid && s->target->ops->root_fd)
		root = s->target->ops->root_fd(s->target);
	if (files_set_root(s->files, (pid_t)pid, root) < 0)
		return errno;
	put_number(out, 0);
	return 0;
}

/*
 * O_NONBLOCK: opening a FIFO or a terminal, or reading /proc/kmsg, must not keep
 * the stub; regular files take no notice.
 */
static int op_open(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	char path[PATH_MAX];
	uint64_t wire_flags, mode;
	int flags, error = parse_path(args, path);

	if (error)
		return error;
	if (!cur_hex(args, &wire_flags) || !cur_char(args, ',') || !cur_hex(args, &mode) ||
	    !cur_end(args) || !fileio_open_flags(wire_flags, &flags))
		return EINVAL;
	if (s->options->read_only && flags != O_RDONLY)
		return EROFS;
	int fd = flags == O_RDONLY ? view_open_file(s, path) : -1;
	if (fd < 0 && flags == O_RDONLY && s->target->ops->open_file) {
		fd = s->target->ops->open_file(s->target, path);
		if (fd < 0 && errno != ENOSYS)
			return errno;
	}
	if (fd < 0)
		fd = root_open(s->files->root, path, flags | O_NONBLOCK | O_NOCTTY,
			       (mode_t)(mode & 07777));
	int number = fd < 0 ? -1 : files_add(s->files, fd);
	if (number < 0)
		return errno;
	put_number(out, (uint64_t)number);
	return 0;
}

static int op_close(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	uint64_t number;

	if (!cur_hex(args, &number) || !cur_end(args))
		return EINVAL;
	if (files_close(s->files, number) < 0)
		return errno;
	put_number(out, 0);
	return 0;
}

#define WINDOW_FIRST 0x4000u
#define WINDOW_ASKED 0x10000u

/*
 * gdb reads ahead: it asks for a whole packet wherever it wants a word, and takes what it gets.
 * So it gets little until it is seen to read on; who asks for less means it.
 */
static size_t window(struct files *f, uint64_t number, uint64_t offset, uint64_t count)
{
	struct file_read *last = &f->last;
	bool goes_on = last->number == number && last->window &&
		       (offset == last->end || offset == last->asked_end);

	last->number = number;
	last->asked_end = offset + count;
	last->window = goes_on ? 4 * last->window : WINDOW_FIRST;
	if (last->window > RSP_PACKET_MAX)
		last->window = RSP_PACKET_MAX;
	if (count > WINDOW_ASKED && count > last->window)
		return last->window;
	return count < RSP_PACKET_MAX ? (size_t)count : RSP_PACKET_MAX;
}

static int op_pread(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	uint64_t number, count, offset;
	size_t escaped;

	if (!cur_hex(args, &number) || !cur_char(args, ',') || !cur_hex(args, &count) ||
	    !cur_char(args, ',') || !cur_hex(args, &offset) || !cur_end(args) || offset > INT64_MAX)
		return EINVAL;
	int fd = files_get(s->files, number);
	if (fd < 0)
		return errno;
	if (!s->files->scratch)
		s->files->scratch = malloc(RSP_PACKET_MAX);
	if (!s->files->scratch)
		return ENOMEM;
	count = window(s->files, number, offset, count);
	ssize_t n = pread(fd, s->files->scratch, count, (off_t)offset);
	if (n < 0)
		return errno;
	size_t fits =
		rsp_escape_fit(s->files->scratch, (size_t)n, RSP_PACKET_MAX - REPLY_HEAD, &escaped);
	s->files->last.end = offset + fits;
	put_data(out, s->files->scratch, fits);
	return 0;
}

static int op_pwrite(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	uint64_t number, offset;

	if (!cur_hex(args, &number) || !cur_char(args, ',') || !cur_hex(args, &offset) ||
	    !cur_char(args, ',') || offset > INT64_MAX)
		return EINVAL;
	if (s->options->read_only)
		return EROFS;
	int fd = files_get(s->files, number);
	if (fd < 0)
		return errno;
	ssize_t n = pwrite(fd, args->p, cur_left(args), (off_t)offset);
	if (n < 0)
		return errno;
	put_number(out, (uint64_t)n);
	return 0;
}

static int reply_stat(int result, const struct stat *st, struct buf *out)
{
	uint8_t wire[FILEIO_STAT_SIZE];

	if (result < 0)
		return errno;
	fileio_stat(st, wire);
	put_data(out, wire, sizeof(wire));
	return 0;
}

static int op_fstat(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	uint64_t number;
	struct stat st;

	if (!cur_hex(args, &number) || !cur_end(args))
		return EINVAL;
	int fd = files_get(s->files, number);
	return reply_stat(fd < 0 ? -1 : fstat(fd, &st), &st, out);
}

/* A file of the synthetic library is a file like others; false: it is none of them. */
static bool stat_made(struct session *s, const char *path, struct stat *st)
{
	int fd = view_open_file(s, path);
	if (fd < 0)
		return false;
	bool known = fstat(fd, st) == 0;
	close(fd);
	return known;
}

static int op_stat(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	char path[PATH_MAX];
	struct stat st;
	int error = parse_only_path(args, path);
	if (!error && stat_made(s, path, &st))
		return reply_stat(0, &st, out);
	return error ? error : reply_stat(root_stat(s->files->root, path, &st), &st, out);
}

static int op_lstat(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	char path[PATH_MAX];
	struct stat st;
	int error = parse_only_path(args, path);
	if (!error && stat_made(s, path, &st))
		return reply_stat(0, &st, out);
	return error ? error : reply_stat(root_lstat(s->files->root, path, &st), &st, out);
}

static int op_readlink(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	char path[PATH_MAX], target[PATH_MAX];
	int error = parse_only_path(args, path);

	if (error)
		return error;
	ssize_t n = root_readlink(s->files->root, path, target, sizeof(target));
	if (n < 0)
		return errno;
	put_data(out, target, (size_t)n);
	return 0;
}

static int op_unlink(struct session *s, struct rsp_cursor *args, struct buf *out)
{
	char path[PATH_MAX];
	int error = parse_only_path(args, path);

	if (error)
		return error;
	if (s->options->read_only)
		return EROFS;
	if (root_unlink(s->files->root, path) < 0)
		return errno;
	put_number(out, 0);
	return 0;
}

static const struct {
	const char *name;
	file_op op;
} ops[] = {
	{ "setfs", op_setfs },	 { "open", op_open },	  { "close", op_close },
	{ "pread", op_pread },	 { "pwrite", op_pwrite }, { "fstat", op_fstat },
	{ "stat", op_stat },	 { "lstat", op_lstat },	  { "readlink", op_readlink },
	{ "unlink", op_unlink },
};

static file_op find_op(struct rsp_cursor name)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct rsp_cursor at = name;
		if (cur_literal(&at, ops[i].name) && cur_end(&at))
			return ops[i].op;
	}
	return NULL;
}

HANDLER(h_vfile)
{
	struct session *s = session;
	struct rsp_cursor name;
	file_op op = NULL;

	if (s->options->no_host_io)
		return err_new(ERR_UNSUPPORTED, "--no-host-io");
	if (cur_char(args, ':') && cur_token(args, ':', &name))
		op = find_op(name);
	if (!op)
		return err_new(ERR_UNSUPPORTED, "no such vFile operation");
	if (!s->files)
		s->files = files_create();
	if (!s->files)
		return &err_nomem;
	int error = op(s, args, out);
	if (error) {
		buf_clear(out);
		buf_printf(out, "F-1,%x", fileio_errno(error));
	}
	return NULL;
}
