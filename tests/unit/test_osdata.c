/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "qxfer/host.h"
#include "tests/unit/bench.h"

static struct bench b;
static struct buf document;

static void setup(void)
{
	bench_init(&b, NULL, 0);
}
static void teardown(void)
{
	bench_deinit(&b);
	buf_deinit(&document);
}
TestSuite(osdata, .init = setup, .fini = teardown);

/* All of it: a machine may run more than fits one answer. */
static const char *osdata(const char *type)
{
	char packet[80];

	buf_clear(&document);
	do {
		int n = snprintf(packet, sizeof(packet), "qXfer:osdata:read:%s:%zx,ffffff", type,
				 document.len);
		bench_ask(&b, packet, (size_t)n);
		cr_assert(b.reply.len && (*b.reply.data == 'm' || *b.reply.data == 'l'));
		buf_put(&document, b.reply.data + 1, b.reply.len - 1);
	} while (*b.reply.data == 'm');
	buf_put(&document, "", 1);
	document.len--;
	return (const char *)document.data;
}

/* The item of @text with this in it, copied; "" if there is none. */
static const char *item_with(const char *text, const char *part, char *room, size_t size)
{
	room[0] = '\0';
	for (const char *p = text; (p = strstr(p, "<item>"));) {
		const char *end = strstr(p, "</item>");
		snprintf(room, size, "%.*s", end ? (int)(end - p) : 0, p);
		if (strstr(room, part))
			return room;
		p++;
	}
	room[0] = '\0';
	return room;
}

Test(osdata, every_type_that_is_listed_is_a_document)
{
	char types[4096], name[64];
	snprintf(types, sizeof(types), "%s", osdata(""));
	unsigned int n = 0;
	for (const char *p = types; (p = strstr(p, "\"Type\">")); p++) {
		cr_assert_eq(sscanf(p, "\"Type\">%63[^<]", name), 1);
		n++;
		if (strncmp(name, "python", 6) == 0)
			continue; /* the fake has none */
		const char *doc = osdata(name);
		cr_assert_not_null(strstr(doc, "<osdata type="), "%s", name);
	}
	cr_assert_eq(n, 15);
}

Test(osdata, this_process_is_listed_by_its_name)
{
	char part[80], room[8192];
	prctl(PR_SET_NAME, "a) <b> 1 2 3");
	snprintf(part, sizeof(part), "<column name=\"tid\">%d</column>", getpid());
	const char *item = item_with(osdata("threads"), part, room, sizeof(room));
	cr_assert_not_null(strstr(item, "<column name=\"command\">a) &lt;b&gt; 1 2 3</column>"),
			   "%s", item);

	snprintf(part, sizeof(part), "<column name=\"pid\">%d</column>", getpid());
	item = item_with(osdata("processes"), part, room, sizeof(room));
	const struct passwd *me = getpwuid(getuid());
	char user[80];
	snprintf(user, sizeof(user), "<column name=\"user\">%s</column>", me ? me->pw_name : "?");
	if (me)
		cr_assert_not_null(strstr(item, user), "%s", item);
	cr_assert_not_null(strstr(item, "<column name=\"cores\">"));
	item = item_with(osdata("procgroups"), part, room, sizeof(room));
	cr_assert_neq(*item, '\0');
	item = item_with(osdata("files"), part, room, sizeof(room));
	cr_assert_neq(*item, '\0');
}

Test(osdata, stat_of_a_name_like_stat_is_read_right)
{
	struct host_stat st;
	prctl(PR_SET_NAME, ") 1 (x) R 5");
	cr_assert(host_stat((unsigned int)getpid(), (unsigned int)getpid(), &st));
	cr_assert_str_eq(st.comm, ") 1 (x) R 5");
	cr_assert_eq(st.pgrp, (unsigned int)getpgrp());
	cr_assert_not(host_stat(0, 0, &st));
}

Test(osdata, an_unknown_user_is_a_number)
{
	struct host_names none = { 0 };
	char room[16];
	cr_assert_str_eq(host_name_of(&none, 4294967295u, room), "4294967295");
}
