/* SPDX-License-Identifier: MIT */
/* The list of libraries, from chains in memory that may be anything. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/bench.h"

#define PHDR	0x10040u
#define DYNAMIC 0x11000u
#define RDEBUG	0x12000u
#define MAPS	0x13000u
#define NAMES	0x18000u
#define ALL	"qXfer:libraries-svr4:read::0,ffffff"
#define EMPTY	"l<library-list-svr4 version=\"1.0\"/>\n"

struct link_map_image {
	uint64_t addr, name, ld, next, prev;
};

/* One region from 0x10000 with all of a small program's structures. */
struct image {
	uint8_t bytes[0x9000];
};

static struct bench b;
static struct image *image;
static const uint64_t auxv[] = { AT_PHDR,  PHDR, AT_PHENT, sizeof(Elf64_Phdr),
				 AT_PHNUM, 2,	 AT_NULL,  0 };

static void *at(uint64_t addr)
{
	return image->bytes + (addr - 0x10000);
}

static void put_map(unsigned int i, uint64_t prev, uint64_t next, const char *name)
{
	struct link_map_image *m = at(MAPS + 0x40u * i);
	*m = (struct link_map_image){ 0x7000000u + 0x1000u * i, NAMES + 0x100u * i,
				      0x7000100u + 0x1000u * i, next, prev };
	strcpy(at(NAMES + 0x100u * i), name);
}

/* The program at bias 0x10000, ld.so's list of it, of libc and of libm. */
static void setup(void)
{
	const struct fake_region region = { 0x10000, calloc(1, sizeof(*image)), sizeof(*image) };
	bench_init(&b, &region, 1);
	free((void *)(uintptr_t)region.data);
	image = (struct image *)b.fake.regions[0].data;
	b.fake.auxv = auxv;
	b.fake.nauxv = sizeof(auxv) / sizeof(auxv[0]);
	b.s.g_tid = FAKE_PID;

	Elf64_Phdr *ph = at(PHDR);
	ph[0] = (Elf64_Phdr){ .p_type = PT_PHDR, .p_vaddr = 0x40 };
	ph[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_vaddr = DYNAMIC - 0x10000 };
	Elf64_Dyn *dyn = at(DYNAMIC);
	dyn[0] = (Elf64_Dyn){ .d_tag = DT_NEEDED };
	dyn[1] = (Elf64_Dyn){ .d_tag = DT_DEBUG, .d_un.d_ptr = RDEBUG };
	uint64_t *r_debug = at(RDEBUG);
	r_debug[0] = 1;
	r_debug[1] = MAPS;
	r_debug[5] = 0xdeadbeef; /* not there in version 1 */
	put_map(0, 0, MAPS + 0x40, "");
	put_map(1, MAPS, MAPS + 0x80, "/lib/libc.so.6");
	put_map(2, MAPS + 0x40, 0, "/lib/libm.so.6");
}
static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(libraries, .init = setup, .fini = teardown);

static unsigned int count(const char *text, const char *part)
{
	unsigned int n = 0;
	for (const char *p = text; (p = strstr(p, part)); p++)
		n++;
	return n;
}

Test(libraries, all_but_the_program_are_listed)
{
	assert_answer(&b, ALL,
		      "l<library-list-svr4 version=\"1.0\" main-lm=\"0x13000\">\n"
		      "<library name=\"/lib/libc.so.6\" lm=\"0x13040\" l_addr=\"0x7001000\" "
		      "l_ld=\"0x7001100\" lmid=\"0x12000\"/>\n"
		      "<library name=\"/lib/libm.so.6\" lm=\"0x13080\" l_addr=\"0x7002000\" "
		      "l_ld=\"0x7002100\" lmid=\"0x12000\"/>\n"
		      "</library-list-svr4>\n");
}

Test(libraries, the_program_itself_is_left_out_even_with_a_name)
{
	strcpy(at(NAMES), "/bin/program");
	cr_assert_null(strstr(ask(&b, ALL), "program"));
}

Test(libraries, a_part_is_from_start_on)
{
	assert_answer(&b, "qXfer:libraries-svr4:read:lmid=12000;start=13080;prev=13040;:0,ffffff",
		      "l<library-list-svr4 version=\"1.0\">\n"
		      "<library name=\"/lib/libm.so.6\" lm=\"0x13080\" l_addr=\"0x7002000\" "
		      "l_ld=\"0x7002100\" lmid=\"0x12000\"/>\n"
		      "</library-list-svr4>\n");
	/* gdb before 13 has no lmid; unknown keys are for later */
	cr_assert_eq(
		count(ask(&b, "qXfer:libraries-svr4:read:start=13040;prev=13000;new=1:0,ffffff"),
		      "lmid=\"0x12000\""),
		2);
}

Test(libraries, a_malformed_annex_is_an_error)
{
	static const char *const bad[] = { "start", "start=", "start=zz", "start=1;;", "lmid=1=2" };
	char packet[100];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(packet, sizeof(packet), "qXfer:libraries-svr4:read:%s:0,100", bad[i]);
		cr_assert_eq(ask(&b, packet)[0], 'E', "%s", bad[i]);
	}
}

Test(libraries, before_ld_so_has_run_the_list_is_empty)
{
	uint64_t *r_debug = at(RDEBUG);
	r_debug[0] = 0;
	assert_answer(&b, ALL, EMPTY);
	r_debug[0] = 1;
	r_debug[1] = 0;
	mem_invalidate(&b.fake.target.mem);
	assert_answer(&b, ALL, EMPTY);
	((Elf64_Dyn *)at(DYNAMIC))[1].d_un.d_ptr = 0;
	mem_invalidate(&b.fake.target.mem);
	assert_answer(&b, ALL, EMPTY);
}

/* Not an empty list: gdb shall look for itself. */
Test(libraries, a_program_without_dt_debug_has_no_list)
{
	static const char *const why = "E.the program has no DT_DEBUG: it is statically linked";
	ask(&b, "qSupported:error-message+");
	((Elf64_Dyn *)at(DYNAMIC))[1].d_tag = DT_NULL;
	assert_answer(&b, ALL, why);
	((Elf64_Phdr *)at(PHDR))[1].p_type = PT_LOAD;
	mem_invalidate(&b.fake.target.mem);
	assert_answer(&b, ALL, why);
	b.fake.auxv = NULL;
	assert_answer(&b, ALL, why);
}

Test(libraries, other_namespaces_follow_with_their_own_lmid)
{
	uint64_t *r_debug = at(RDEBUG), *other = at(RDEBUG + 0x100);
	r_debug[0] = other[0] = 2;
	r_debug[5] = RDEBUG + 0x100;
	other[1] = MAPS + 0xc0;
	put_map(3, 0, 0, "/lib/isolated.so");
	const char *xml = ask(&b, ALL);
	cr_assert_eq(count(xml, "lmid=\"0x12000\""), 2);
	cr_assert_not_null(strstr(xml, "isolated.so\" lm=\"0x130c0\""));
	cr_assert_eq(count(xml, "lmid=\"0x12100\""), 1);
}

Test(libraries, namespaces_in_a_circle_end)
{
	uint64_t *r_debug = at(RDEBUG);
	r_debug[0] = 2;
	r_debug[5] = RDEBUG;
	const char *xml = ask(&b, ALL);
	cr_assert_not_null(strstr(xml, "<!-- truncated: r_debug: more than 64 namespaces -->"));
	cr_assert_not_null(strstr(xml, "</library-list-svr4>"));
}

Test(libraries, a_link_that_does_not_point_back_ends_the_list)
{
	struct link_map_image *m = at(MAPS + 0x80);
	m->prev = 0x666;
	const char *xml = ask(&b, ALL);
	cr_assert_eq(count(xml, "<library "), 1);
	cr_assert_not_null(strstr(xml, "<!-- truncated: link_map 0x13080 does not point back -->"));
	cr_assert_not_null(strstr(xml, "</library-list-svr4>"));
}

Test(libraries, a_circle_ends)
{
	((struct link_map_image *)at(MAPS + 0x80))->next = MAPS;
	const char *xml = ask(&b, ALL);
	cr_assert_eq(count(xml, "<library "), 2);
	cr_assert_not_null(strstr(xml, "does not point back"));
	/* Closed in itself, which pointing back alone would not show. */
	((struct link_map_image *)at(MAPS + 0x40))->prev = MAPS + 0x80;
	((struct link_map_image *)at(MAPS + 0x80))->next = MAPS + 0x40;
	mem_invalidate(&b.fake.target.mem);
	bench_ask(&b, "qXfer:libraries-svr4:read:start=13040;prev=13080:0,10", 53);
	cr_assert_eq(b.reply.data[0], 'm');
}

Test(libraries, what_cannot_be_read_ends_the_list_with_the_reason)
{
	((struct link_map_image *)at(MAPS + 0x80))->next = 0x666000;
	const char *xml = ask(&b, ALL);
	cr_assert_eq(count(xml, "<library "), 2);
	cr_assert_not_null(
		strstr(xml, "<!-- truncated: link_map: cannot access memory at 0x666000 -->"));
}

Test(libraries, an_unreadable_root_is_an_error)
{
	((Elf64_Dyn *)at(DYNAMIC))[1].d_un.d_ptr = 0x666000;
	ask(&b, "qSupported:error-message+");
	assert_answer(&b, ALL, "E.cannot access memory at 0x666000");
}

Test(libraries, implausible_program_headers_are_an_error)
{
	static const uint64_t many[] = { AT_PHDR, PHDR, AT_PHENT, 56, AT_PHNUM, 1u << 30 };
	static const uint64_t odd[] = { AT_PHDR, PHDR, AT_PHENT, 0, AT_PHNUM, 3 };
	b.fake.auxv = many;
	b.fake.nauxv = 6;
	cr_assert_eq(ask(&b, ALL)[0], 'E');
	b.fake.auxv = odd;
	cr_assert_eq(ask(&b, ALL)[0], 'E');
}

Test(libraries, a_path_is_escaped_whatever_it_has)
{
	strcpy(at(NAMES + 0x100), "/a \"b\" <c>&\n\x01\xff\xc3\xa9.so");
	cr_assert_not_null(strstr(ask(&b, ALL), "name=\"/a &quot;b&quot; &lt;c&gt;&amp;&#10;"
						"\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9.so\""));
}

Test(libraries, a_path_without_an_end_is_cut)
{
	memset(at(NAMES + 0x100), 'x', 0x9000 - (NAMES + 0x100 - 0x10000));
	struct link_map_image *m = at(MAPS + 0x40);
	m->name = 0x19000 - 100; /* the region's last 100 bytes */
	const char *xml = ask(&b, ALL);
	const char *name = strstr(xml, "name=\"x");
	cr_assert_not_null(name);
	cr_assert_eq(strspn(name + 6, "x"), 100);
}

Test(libraries, unreadable_names_are_left_out)
{
	((struct link_map_image *)at(MAPS + 0x40))->name = 0x666000;
	const char *xml = ask(&b, ALL);
	cr_assert_eq(count(xml, "<library "), 1);
	cr_assert_not_null(strstr(xml, "libm"));
}

/* Whatever is in memory, the answer ends, and is well-formed or an error. */
Test(libraries, garbage_is_survived)
{
	static struct image good;
	unsigned int seed = 1, whole = 0;

	good = *image;
	for (int round = 0; round < 3000; round++) {
		*image = good;
		for (int i = rand_r(&seed) % 8; i >= 0; i--) {
			/* One of the words of the structures becomes another's address, or anything. */
			static const uint64_t bases[] = { PHDR, DYNAMIC, RDEBUG, MAPS, MAPS, MAPS };
			uint64_t where = bases[rand_r(&seed) % 6] + 8u * (rand_r(&seed) % 32u);
			uint64_t value = bases[rand_r(&seed) % 6] + 8u * (rand_r(&seed) % 32u);
			if (rand_r(&seed) % 4 == 0)
				value = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 33);
			memcpy(at(where), &value, sizeof(value));
		}
		mem_invalidate(&b.fake.target.mem);
		const char *xml = ask(&b, ALL);
		bool is_whole = xml[0] == 'l' &&
				(strstr(xml, "</library-list-svr4>\n") || strcmp(xml, EMPTY) == 0);
		cr_assert(is_whole || xml[0] == 'E' || xml[0] == 'm', "round %d: %.80s", round,
			  xml);
		whole += is_whole;
	}
	cr_assert_gt(whole, 500, "%u", whole);
}
