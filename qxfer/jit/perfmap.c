/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/perfmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void perfmap_deinit(struct perfmap *m)
{
	free(m->text);
	free(m->entry);
	*m = (struct perfmap){ 0 };
}

/* ---- lines ---- */

/* A number in hex at *@at, which comes to stand behind it and one blank; false: there is none. */
static bool take_hex(const char **at, const char *end, uint64_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;
	unsigned int digits = 0;

	if (end - p > 2 && p[0] == '0' && p[1] == 'x')
		p += 2;
	for (; p < end && digits <= 16; p++, digits++) {
		unsigned int c = (unsigned char)*p;
		if (c - '0' < 10)
			v = v << 4 | (c - '0');
		else if ((c | 0x20) - 'a' < 6)
			v = v << 4 | ((c | 0x20) - 'a' + 10);
		else
			break;
	}
	if (!digits || digits > 16 || p == end || *p != ' ')
		return false;
	*at = p + 1;
	*ret = v;
	return true;
}

static void take_line(struct perfmap *m, const char *line, const char *end)
{
	struct perfmap_entry e = { .line = (uint32_t)m->n };

	if (!take_hex(&line, end, &e.start) || !take_hex(&line, end, &e.len) || line == end)
		return;
	e.name = (uint32_t)(line - m->text);
	e.name_len = (uint32_t)(end - line);
	m->entry[m->n++] = e;
}

static int compare_entry(const void *a, const void *b)
{
	const struct perfmap_entry *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

void perfmap_parse(struct perfmap *m, char *text, size_t len)
{
	size_t lines = 1;

	perfmap_deinit(m);
	m->text = text;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	lines = lines < PERFMAP_ENTRIES_MAX ? lines : PERFMAP_ENTRIES_MAX;
	m->entry = calloc(lines, sizeof(*m->entry));
	for (const char *at = text; m->entry && at < text + len && m->n < lines;) {
		const char *end = memchr(at, '\n', (size_t)(text + len - at));
		if (!end)
			break; /* it is being written */
		take_line(m, at, end);
		at = end + 1;
	}
	if (m->entry)
		qsort(m->entry, m->n, sizeof(*m->entry), compare_entry);
}

/* ---- the file ---- */

static bool is_same(const struct perfmap *m, const struct stat *st)
{
	return m->text && m->dev == st->st_dev && m->inode == st->st_ino && m->size == st->st_size;
}

static void read_file(struct perfmap *m, int fd, const struct stat *st)
{
	size_t want = (size_t)st->st_size, got = 0;
	char *text = malloc(want + 1);

	while (text && got < want) {
		ssize_t n = read(fd, text + got, want - got);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (!text) {
		perfmap_deinit(m);
		return;
	}
	perfmap_parse(m, text, got);
	m->dev = st->st_dev;
	m->inode = st->st_ino;
	m->size = st->st_size;
}

void perfmap_refresh(struct perfmap *m, const struct space *s)
{
	char path[64];
	struct stat st;
	pid_t pid = s->inner_pid && s->open_path ? s->inner_pid(s->ctx) : 0;
	int fd = -1;

	if (pid > 0) {
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)pid);
		fd = s->open_path(s->ctx, path);
	}
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (uint64_t)st.st_size > PERFMAP_MAX)
		perfmap_deinit(m);
	else if (!is_same(m, &st))
		read_file(m, fd, &st);
	if (fd >= 0)
		close(fd);
}

/* ---- names ---- */

bool perfmap_name(const struct perfmap *m, uint64_t addr, char name[PERFMAP_NAME_MAX])
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->entry[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || m->entry[lo - 1].start != addr || !m->entry[lo - 1].len)
		return false;
	const struct perfmap_entry *e = &m->entry[lo - 1];
	size_t n = e->name_len < PERFMAP_NAME_MAX - 1 ? e->name_len : PERFMAP_NAME_MAX - 1;
	for (size_t i = 0; i < n; i++) {
		char c = m->text[e->name + i];
		name[i] = c;
		if ((unsigned char)c < ' ' || c == 0x7f)
			name[i] = '?';
	}
	name[n] = '\0';
	return n > 0;
}
