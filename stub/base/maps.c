/* SPDX-License-Identifier: MIT */
#include "stub/base/maps.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void maps_deinit(struct maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->map[i].path);
	free(m->map);
	*m = (struct maps){ 0 };
}

static unsigned int parse_prot(const char *perms)
{
	return (perms[0] == 'r' ? MAP_R : 0u) | (perms[1] == 'w' ? MAP_W : 0u) |
	       (perms[2] == 'x' ? MAP_X : 0u) | (perms[3] == 's' ? MAP_SHARED_MEM : 0u);
}

/* Hexadecimal digits and what follows them; moves *p behind both.  Not sscanf(): a stop waits. */
static bool take_hex(const char **p, char after, uint64_t *ret)
{
	char *end;
	if (!isxdigit((unsigned char)**p))
		return false;
	*ret = strtoull(*p, &end, 16);
	if (*end != after)
		return false;
	*p = end + 1;
	return true;
}

static bool take_perms(const char **p, unsigned int *ret)
{
	if (strnlen(*p, 5) < 5 || (*p)[4] != ' ')
		return false;
	*ret = parse_prot(*p);
	*p += 5;
	return true;
}

/* One line of proc(5)'s maps: start-end perms offset major:minor inode  path */
static struct err *parse_line(const char *line, struct map *ret)
{
	uint64_t major, minor;
	const char *p = line;
	char *end = NULL;

	if (!take_hex(&p, '-', &ret->start) || !take_hex(&p, ' ', &ret->end) ||
	    !take_perms(&p, &ret->prot) || !take_hex(&p, ' ', &ret->offset) ||
	    !take_hex(&p, ':', &major) || !take_hex(&p, ' ', &minor) ||
	    !isdigit((unsigned char)*p) || ret->end <= ret->start)
		return err_new(ERR_BAD_DATA, "unexpected line in maps: %.60s", line);
	ret->inode = strtoull(p, &end, 10);
	ret->dev = major << 32 | (minor & UINT32_MAX);
	ret->path = strdup(end + strspn(end, " "));
	return ret->path ? NULL : &err_nomem;
}

static struct err *append(struct maps *m, size_t *cap, const char *line)
{
	if (m->n == *cap) {
		size_t want = *cap ? *cap * 2 : 64;
		struct map *map = reallocarray(m->map, want, sizeof(*map));
		if (!map)
			return &err_nomem;
		m->map = map;
		*cap = want;
	}
	m->map[m->n] = (struct map){ 0 };
	struct err *err = parse_line(line, &m->map[m->n]);
	if (!err)
		m->n++;
	return err;
}

struct err *maps_parse(const char *text, size_t len, struct maps *ret)
{
	struct maps m = { 0 };
	size_t cap = 0;
	struct err *err = NULL;
	char line[4352]; /* PATH_MAX and the numbers before it */

	while (len && !err) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;
		size_t kept = n < sizeof(line) ? n : sizeof(line) - 1;
		memcpy(line, text, kept);
		line[kept] = '\0';
		if (n)
			err = append(&m, &cap, line);
		text += nl ? n + 1 : n;
		len -= nl ? n + 1 : n;
	}
	if (err) {
		maps_deinit(&m);
		return err;
	}
	maps_deinit(ret);
	*ret = m;
	return NULL;
}

const struct map *maps_find(const struct maps *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (addr >= m->map[mid].end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && addr >= m->map[lo].start ? &m->map[lo] : NULL;
}

const struct map *maps_program(const struct maps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->map[i].inode)
			return &m->map[i];
	}
	return NULL;
}
