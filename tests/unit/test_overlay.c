/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "stub/overlay.h"
#include "tests/fake/fake_target.h"

static const uint64_t words[] = { 1, 2, 3 };
static const struct fake_region regions[] = { { 0x1000, words, sizeof(words) },
					      { 0x3000, words, sizeof(words) } };
static struct fake fake;
static unsigned int asked;

/* A page of 0xaa, and half a page behind it. */
static size_t read_half(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	(void)ctx;
	asked++;
	size_t there = addr >= 0x2800 ? 0 : 0x2800 - addr;
	size_t n = there < len ? there : len;
	memset(buf, 0xaa, n);
	return n;
}

static size_t read_all(void *ctx, uint64_t addr, uint8_t *buf, size_t len)
{
	(void)addr;
	memset(buf, *(const int *)ctx, len);
	return len;
}

static int filler = 0xbb;
static const struct overlay_area areas[] = {
	{ 0x2000, 0x3000, "half", read_half },
	{ 0x4000, 0x5000, "all", read_all },
	{ 0x5000, 0x6000, "all", read_all },
};
static const struct overlay overlay = { areas, 3, &filler };

static void setup(void)
{
	fake_init(&fake, regions, 2, NULL);
	asked = 0;
}
static void teardown(void)
{
	fake_deinit(&fake);
}
TestSuite(overlay, .init = setup, .fini = teardown);

static size_t read_at(uint64_t addr, uint8_t *buf, size_t len)
{
	return overlay_read(&overlay, &fake.target.mem, addr, buf, len);
}

Test(overlay, memory_of_the_inferior_is_as_it_was)
{
	uint64_t got[3];
	cr_assert_eq(read_at(0x1000, (uint8_t *)got, sizeof(got)), sizeof(got));
	cr_assert_arr_eq(got, words, sizeof(got));
	cr_assert_eq(asked, 0);
}

Test(overlay, a_read_goes_on_from_one_into_the_other)
{
	uint8_t buf[0x3000];
	cr_assert_eq(read_at(0x1ff0, buf, 0x20), 0x20);
	cr_assert_eq(buf[0x0f], 0);
	cr_assert_eq(buf[0x10], 0xaa);
	cr_assert_eq(read_at(0x3ff0, buf, 0x1020), 0x1020);
	cr_assert_eq(buf[0x0f], 0);
	cr_assert_eq(buf[0x10], 0xbb);
	cr_assert_eq(buf[0x101f], 0xbb);
}

Test(overlay, a_read_ends_where_there_is_nothing)
{
	uint8_t buf[0x2000];
	cr_assert_eq(read_at(0x1800, buf, 0x2000), 0x1000);
	cr_assert_eq(read_at(0x2800, buf, 16), 0);
	cr_assert_eq(read_at(0x5ff0, buf, 0x20), 0x10);
	cr_assert_eq(read_at(0x8000, buf, 8), 0);
}

Test(overlay, the_top_of_the_address_space_does_not_wrap)
{
	uint8_t buf[16];
	cr_assert_eq(read_at(UINT64_MAX - 3, buf, sizeof(buf)), 0);
	cr_assert_null(overlay_find(&overlay, UINT64_MAX - 3, 16));
	cr_assert_eq(overlay_find(&overlay, 0, UINT64_MAX), &areas[0]);
}

Test(overlay, an_area_is_found_by_any_byte_of_it)
{
	cr_assert_eq(overlay_find(&overlay, 0x1fff, 2), &areas[0]);
	cr_assert_null(overlay_find(&overlay, 0x1fff, 1));
	cr_assert_eq(overlay_find(&overlay, 0x2fff, 1), &areas[0]);
	cr_assert_null(overlay_find(&overlay, 0x3000, 0x1000));
	cr_assert_eq(overlay_find(&overlay, 0x5fff, 1), &areas[2]);
}
