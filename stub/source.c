/* SPDX-License-Identifier: MIT */
#include "stub/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qxfer/python/text.h"
#include "stub/root.h"

void source_open(struct source *s, struct target *t)
{
	char path[32];
	int root = t->ops->root_fd ? t->ops->root_fd(t) : -1;
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)t->pid);
	*s = (struct source){ .cwd = -1 };
	s->root = root >= 0 ? fcntl(root, F_DUPFD_CLOEXEC, 0) : -1;
	if (s->root >= 0 && !t->still)
		s->cwd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void source_close(struct source *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->file[i].name);
		free(s->file[i].data);
		free(s->file[i].line);
	}
	free(s->file);
	if (s->root >= 0)
		close(s->root);
	if (s->cwd >= 0)
		close(s->cwd);
	*s = (struct source){ .root = -1, .cwd = -1 };
}

/* ---- reading ---- */

/*
 * A relative name counts from the working directory of now, which is the best there
 * is; ".." does not leave it.  A pipe or a device of that name must not hold us up.
 */
static int open_file(const struct source *s, const char *name, struct stat *st)
{
	int at = name[0] == '/' ? s->root : s->cwd;
	if (at < 0) {
		errno = ENOENT;
		return -1;
	}
	int fd = root_open(at, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

static bool read_all(int fd, size_t size, struct source_file *f)
{
	f->data = malloc(size + 1);
	while (f->data && f->len < size) {
		ssize_t n = read(fd, f->data + f->len, size - f->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		f->len += (size_t)n;
	}
	return f->data != NULL;
}

static int load(struct source *s, struct source_file *f)
{
	struct stat st;
	int fd = open_file(s, f->name, &st);
	if (fd < 0)
		return errno;
	size_t size = (size_t)st.st_size;
	int why = 0;
	if (st.st_size < 0 || size > SOURCE_FILE_MAX || size > SOURCE_BYTES_MAX - s->bytes)
		why = EFBIG;
	else if (!read_all(fd, size, f))
		why = ENOMEM;
	s->bytes += f->len;
	close(fd);
	return why;
}

/* ---- lines ---- */

/* Behind the end of the line at @at: after \n, \r\n or \r. */
static size_t next_line(const struct source_file *f, size_t at)
{
	while (at < f->len && f->data[at] != '\n' && f->data[at] != '\r')
		at++;
	if (at + 1 < f->len && f->data[at] == '\r' && f->data[at + 1] == '\n')
		at++;
	return at < f->len ? at + 1 : at;
}

static bool index_lines(struct source_file *f)
{
	size_t n = 0;
	for (size_t at = 0; at < f->len; at = next_line(f, at))
		n++;
	f->line = calloc(n + 1, sizeof(*f->line));
	if (!f->line)
		return false;
	f->nlines = n;
	for (size_t i = 0, at = 0; i < n; i++, at = next_line(f, at))
		f->line[i] = at;
	f->line[n] = f->len;
	return true;
}

/* Line @i from 0 without its end. */
static size_t line_length(const struct source_file *f, size_t i)
{
	size_t at = f->line[i], end = f->line[i + 1];
	while (end > at && (f->data[end - 1] == '\n' || f->data[end - 1] == '\r'))
		end--;
	return end - at;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* What a comment says after "coding:" or "coding=" (PEP 263), in lower case; or "". */
static void read_cookie(const char *line, size_t len, char *ret, size_t size)
{
	const char *end = line + len, *p = line;
	size_t n = 0;
	*ret = '\0';
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\f'))
		p++;
	if (p == end || *p != '#')
		return;
	do {
		p = memmem(p, (size_t)(end - p), "coding", 6);
		if (!p)
			return;
		p += 6;
	} while (p < end && *p != ':' && *p != '=');
	if (p == end)
		return;
	for (p++; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	for (; p < end && n + 1 < size && is_name(*p); p++)
		ret[n++] = (char)(*p == '_' ? '-' : tolower((unsigned char)*p));
	ret[n] = '\0';
}

static void find_encoding(struct source_file *f)
{
	static const struct {
		const char *name;
		bool latin1;
	} known[] = {
		{ "utf-8", false },	 { "utf8", false },	  { "utf-8-sig", false },
		{ "ascii", false },	 { "us-ascii", false },	  { "latin-1", true },
		{ "iso-8859-1", true },	 { "iso8859-1", true },	  { "latin1", true },
		{ "iso-latin-1", true }, { "utf-8-unix", false }, { "latin-1-unix", true },
	};
	char cookie[32] = "";
	for (size_t i = 0; i < 2 && i < f->nlines && !*cookie; i++)
		read_cookie(f->data + f->line[i], line_length(f, i), cookie, sizeof(cookie));
	f->bytes = *cookie != '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, cookie) != 0)
			continue;
		f->latin1 = known[i].latin1;
		f->bytes = false;
	}
	if (f->nlines && f->len >= 3 && memcmp(f->data, "\xef\xbb\xbf", 3) == 0)
		f->line[0] += 3;
}

static struct source_file *add_file(struct source *s, const char *name)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct source_file *file = reallocarray(s->file, cap, sizeof(*file));
		if (!file)
			return NULL;
		s->file = file;
		s->cap = cap;
	}
	struct source_file *f = &s->file[s->n];
	*f = (struct source_file){ .name = strdup(name) };
	if (!f->name)
		return NULL;
	s->n++;
	return f;
}

const struct source_file *source_file(struct source *s, const char *name)
{
	for (size_t i = s->n; i > 0; i--)
		if (strcmp(s->file[i - 1].name, name) == 0)
			return &s->file[i - 1];
	struct source_file *f = add_file(s, name);
	if (!f)
		return NULL;
	f->os_errno = load(s, f);
	if (!f->os_errno && !index_lines(f))
		f->os_errno = ENOMEM;
	if (f->os_errno) {
		free(f->data);
		f->data = NULL;
		f->nlines = 0;
	} else {
		find_encoding(f);
	}
	return f;
}

static void put_piece(const struct source_file *f, const uint8_t *p, size_t len, struct buf *out)
{
	if (!f->latin1 && !f->bytes) {
		py_text_put_bytes(out, p, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (f->latin1 || p[i] < 0x80)
			py_text_put(out, p[i]);
		else
			buf_printf(out, "\\x%02x", p[i]);
	}
}

static void put_range(const struct source_file *f, size_t at, size_t len, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)f->data + at;
	while (len) {
		const uint8_t *tab = memchr(p, '\t', len);
		size_t n = tab ? (size_t)(tab - p) : len;
		put_piece(f, p, n, out);
		if (tab)
			buf_put(out, "\t", 1);
		p += n + (tab != NULL);
		len -= n + (tab != NULL);
	}
}

bool source_line(const struct source_file *f, int32_t number, struct buf *out)
{
	if (number < 1 || (size_t)number > f->nlines)
		return false;
	size_t i = (size_t)number - 1;
	put_range(f, f->line[i], line_length(f, i), out);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

/* As traceback shows it: without blanks around it. */
static bool stripped_line(void *ctx, const char *name, int32_t number, struct buf *out)
{
	const struct source_file *f = *name == '<' ? NULL : source_file(ctx, name);
	if (!f || number < 1 || (size_t)number > f->nlines)
		return false;
	size_t i = (size_t)number - 1, at = f->line[i], end = at + line_length(f, i);
	while (at < end && is_blank(f->data[at]))
		at++;
	while (at < end && is_blank(f->data[end - 1]))
		end--;
	put_range(f, at, end - at, out);
	return true;
}

struct py_quote_source source_lines(struct source *s)
{
	return (struct py_quote_source){ .line = stripped_line, .ctx = s };
}
