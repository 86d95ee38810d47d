/* SPDX-License-Identifier: Apache-2.0 */
/* The expected results were printed by Go's time.ParseInLocation on generated layouts and texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"
#include "longship/codec/timefmt.h"

static const struct {
	const char *zone, *layout, *text;
	int64_t sec;
	int nsec, offset_s;
	const char *name;
} accepted[] = {
	/* clang-format off */
	{"Antarctica/Troll", "Mon Jan _2 15:04:05 MST 2006", "Fri Jan  5 03:18:00 +00 2024", INT64_C(1704424680), 0, 0, "+00"},
	{"America/Caracas", "2006-01-02T15:04:05.000Z0700", "2036-12-08T02:33:00.000-0400", INT64_C(2112330780), 0, -14400, "-04"},
	{"Pacific/Apia", ".x-07-", ".x+12-", INT64_C(-62167262400), 0, 43200, ""},
	{"America/Nuuk", "02 Jan 06 15:04 -0700", "02 Apr 98 14:51 -0200", INT64_C(891535860), 0, -7200, "-02"},
	{"Antarctica/Troll", "01/02 03:04:05PM '06 -0700", "03/24 04:18:03AM '98 +0100", INT64_C(890709483), 0, 3600, ""},
	{"Australia/Sydney", "2006-002T15:04:05", "2049-096T13:18:00", INT64_C(2501291880), 0, 36000, "AEST"},
	{"Asia/Kolkata", "2.000Z.000", "6.175Z.175", INT64_C(-62166808408), 175000000, 21208, "LMT"},
	{"America/New_York", "Jan _2 15:04:05", "Mar  3 16:46:38", INT64_C(-62161784240), 0, -17762, "LMT"},
	{"Antarctica/Troll", "02 Jan 06 15:04 MST", "03 Dec 38 16:41 LMT", INT64_C(2175007260), 0, 0, "LMT"},
	{"Pacific/Apia", "2006-01-02 15:04:05", "2504-02-14 23:50:56", INT64_C(16855210256), 0, 46800, "+13"},
	{"Europe/Dublin", "2006-01-02 03:04:05 PM", "3247-06-08 08:53:35 AM", INT64_C(40311935615), 0, 3600, "IST"},
	{"America/Caracas", "2006-01-02 15:04:05", "2025-03-19 20:36:18", INT64_C(1742430978), 0, -14400, "-04"},
	{"Australia/Sydney", "2006-01-02", "2024-02-09", INT64_C(1707397200), 0, 39600, "AEDT"},
	{"UTC", ",999", "", INT64_C(-62167219200), 0, 0, "UTC"},
	{"Pacific/Apia", "2006-01-02 15:04:05,000", "1396-12-18 12:37:08,000", INT64_C(-18083260556), 0, 45184, "LMT"},
	{"Asia/Kolkata", "Jan _2 15:04:05", "Jun 23 17:33:26", INT64_C(-62152143602), 0, 21208, "LMT"},
	{"America/Sao_Paulo", "Jan _2 15:04:05.000", "Oct  1 08:41:34.056", INT64_C(-62143503118), 56000000, -11188, "LMT"},
	{"Pacific/Chatham", "Jan _2 15:04:05.000000000", "Oct 25 04:32:16.514000000", INT64_C(-62141499692), 514000000, 44028, "LMT"},
	{"Pacific/Apia", "Jan _2 15:04:05.000000000", "Apr 24 00:09:47.370521291", INT64_C(-62157414197), 370521291, 45184, "LMT"},
	{"Australia/Sydney", "2006-01-02", "2039-07-03", INT64_C(2193228000), 0, 36000, "AEST"},
	{"Asia/Kolkata", " 4,999Z07", " 24+13", INT64_C(-62167264560), 0, 46800, ""},
	{"Europe/Dublin", "Jan _2 15:04:05.000000", "JUN 10 20:50:57,000000", INT64_C(-62153232222), 0, -1521, "LMT"},
	{"Pacific/Chatham", "Mon Jan 02 15:04:05 -0700 2006", "Tue Feb 24 05:28:00 -0500 2043", INT64_C(2308386480), 0, -18000, ""},
	{"Etc/GMT+5", "Z070000Mon:00-", "+020000Wed:00-", INT64_C(-62167226400), 0, 7200, ""},
	{"Pacific/Apia", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 17 Oct 1938 20:56:53 +0000", INT64_C(-984798187), 0, 0, ""},
	{"Antarctica/Troll", "064-07:0003", "3236+11:0712", INT64_C(1956533340), 0, 40020, ""},
	{"Africa/Casablanca", "__2T", " 41T", INT64_C(-62163761380), 0, -1820, "LMT"},
	{"UTC", "Mon Jan _2 15:04:05 2006", "Sat May  6 14:01:23 0845", INT64_C(-35490650317), 0, 0, "UTC"},
	{"America/Nuuk", "__2-07:00:00,9Janet-.999", "140+02:00:00Janet-", INT64_C(-62155216800), 0, 7200, ""},
	{"Pacific/Apia", "JanuaryMon.0+5Z07:00:0001", "novembersat.0+0-02:00:0011", INT64_C(-62140860000), 0, -7200, ""},
	{"UTC", "2006-01-02T15:04:05.000Z0700", "2012-11-28T12:59:05.960-0200", INT64_C(1354114745), 960000000, -7200, ""},
	{"Antarctica/Troll", "Jan _2 15:04:05 MST", "Jul 27 22:28:41 +13", INT64_C(-62149167079), 0, 0, "+13"},
	{"America/Nuuk", "Z04", "Z52", INT64_C(-62167203664), 0, -12416, "LMT"},
	{"Pacific/Chatham", ".999999999Z07:002006", ".37832888-08:071996", INT64_C(820483620), 378328880, -29220, ""},
	{"Pacific/Apia", "PM02-0700.999Z+__,9.000000000", "AM12-1100.509Z+__,5.509994608", INT64_C(-62166229200), 509994608, -39600, ""},
	{"Antarctica/Troll", "Month05__.0\303\251\303\2513,9,999", "Month00__.0\303\251\303\2511", INT64_C(-62167215600), 0, 0, "-00"},
	{"America/Nuuk", "02/Jan/2006:15:04:05 -0700", "10/Jan/2034:13:55:02 -0200", INT64_C(2020521302), 0, -7200, "-02"},
	{"America/Sao_Paulo", "15:04:05", "07:31:01", INT64_C(-62167180951), 0, -11188, "LMT"},
	{"Pacific/Chatham", "3:04PM", "3:37AM", INT64_C(-62167250208), 0, 44028, "LMT"},
	{"UTC", "01/02 03:04:05PM '06 -0700", "05/13 07:58:58PM '21 +0000", INT64_C(1620935938), 0, 0, "UTC"},
	{"America/Caracas", "Monday, 02-Jan-06 15:04:05 MST", "Saturday, 11-Dec-49 00:02:00 EST", INT64_C(2522793720), 0, 0, "EST"},
	{"Pacific/Chatham", "15:04:05", "19:04:52", INT64_C(-62167194536), 0, 44028, "LMT"},
	{"Europe/Dublin", "2006-002T15:04:05", "2526-075T03:51:00", INT64_C(17552087460), 0, 0, "GMT"},
	{"Pacific/Chatham", "Jan _2 15:04:05.000000", "Dec 16 21:33:39.457000", INT64_C(-62136945609), 457000000, 44028, "LMT"},
	{"Pacific/Chatham", "Monday, 02-Jan-06 15:04:05 MST", "Sunday, 23-Nov-25 13:12:29 +13", INT64_C(1763903549), 0, 0, "+13"},
	{"UTC", "Jan _2 15:04:05 MST", "May 12 02:09:00 IST", INT64_C(-62155806660), 0, 0, "IST"},
	{"Asia/Kolkata", "2006-01-02 03:04:05 PM", "2024-07-25 08:33:31 PM", INT64_C(1721919811), 0, 19800, "IST"},
	{"America/Caracas", "1Z07:00:00.999MST_", "4+05:30:00.157IST_", INT64_C(-62159376600), 157000000, 19800, "IST"},
	{"UTC", "Mon Jan _2 15:04:05 2006", "Sat Jun  3 18:03:03 1950", INT64_C(-617867817), 0, 0, "UTC"},
	{"Australia/Sydney", "002Month06", "120Month42", INT64_C(2282392800), 0, 36000, "AEST"},
	{"Australia/Sydney", "2006-01-02T15:04:05.999999999Z07:00", "2024-11-16T09:24:22.463830575+08:22", INT64_C(1731718942), 463830575, 30120, ""},
	{"Antarctica/Troll", "02 Jan 06 15:04 MST", "24 Jul 25 01:59 +02", INT64_C(1753315140), 0, 7200, "+02"},
	{"America/New_York", "Mon, 02 Jan 2006 15:04:05 -0700", "Sun, 16 Sep 2621 08:14:47 +0100", INT64_C(20565904487), 0, 3600, ""},
	{"America/Nuuk", "05Z07:00", "35-01:00", INT64_C(-62167215565), 0, -3600, ""},
	{"Pacific/Chatham", "\303\251", "\303\251", INT64_C(-62167263228), 0, 44028, "LMT"},
	{"Antarctica/Troll", "PMZ07:00.15", "AM+13:45.05", INT64_C(-62167250700), 0, 49500, ""},
	{"Pacific/Apia", "2006-01-02T15:04:05.999999999Z07:00", "2047-01-12T03:31:41.655774855+09:53", INT64_C(2430841121), 655774855, 35580, ""},
	{"Asia/Kathmandu", "GMT04GMT:.", "GMT22GMT:.", INT64_C(-62167238356), 0, 20476, "LMT"},
	{"Europe/Dublin", "3:04PM", "4:26PM", INT64_C(-62167158519), 0, -1521, "LMT"},
	{"Asia/Kolkata", ",99905-07:00:00_/-0700001", ",99904+05:30:00_/+0530002", INT64_C(-62164560596), 0, 19800, ""},
	{"America/Sao_Paulo", "-07:00:0001__2.000.", "-01:00:0006179.933.", INT64_C(-62151836400), 933000000, -3600, ""},
	{"Europe/Dublin", ".999999999.pm0025_2006", ".338.am15637_2026", INT64_C(1780614037), 338000000, 3600, "IST"},
	{"Asia/Kathmandu", "2006-01-02T15:04:05Z07:00", "2026-04-17T10:35:50-01:00", INT64_C(1776425750), 0, -3600, ""},
	{"EST5EDT", "MST2JanJan9T.000000000-3", "EST20FebFeb9T.470000000-10", INT64_C(-62162845200), 470000000, -18000, "EST"},
	{"Europe/Dublin", "2Z0700002Z07", "5-0025215-00", INT64_C(-62166873600), 0, 0, ""},
	{"America/Nuuk", "Z070000", "-032656", INT64_C(-62167206784), 0, -12416, "LMT"},
	{"Pacific/Apia", "200601Z07:00Mon3.00000000005-070000.", "203207+13:00Wed12.00000000000+130000.", INT64_C(1972249200), 0, 46800, "+13"},
	{"America/New_York", "2006-07:00:00x06", "2026-04:00:00x26", INT64_C(1767240000), 0, -14400, ""},
	{"Asia/Kathmandu", ".999999999pm-070000-07:00Z07", ".259pm-040000-04:00-04", INT64_C(-62167161600), 259000000, -14400, ""},
	{"Africa/Casablanca", "/,9992006\303\251", "/,9992031\303\251", INT64_C(1924992000), 0, 0, "+00"},
	{"Etc/GMT+5", "Janet-070004Z07003", "Janet-050037-05004", INT64_C(-62167184580), 0, -18000, "-05"},
	{"Europe/Berlin", "Mon Jan _2 15:04:05 MST 2006", "Wed Jan 22 12:13:31 -04 2025", INT64_C(1737548011), 0, 0, "-04"},
	{"Pacific/Chatham", "02 Jan 06 15:04 -0700", "13 May 23 17:26 +0545", INT64_C(1683978060), 0, 20700, ""},
	{"Antarctica/Troll", "2006-01-02T15:04:05Z07:00", "2023-12-09T10:06:37Z", INT64_C(1702116397), 0, 0, "UTC"},
	{"Asia/Kathmandu", ".000_2", ".00022", INT64_C(-62165425276), 0, 20476, "LMT"},
	{"Africa/Casablanca", ".0000000002006/", ".0000000325020/", INT64_C(1605826800), 0, 3600, "+01"},
	{"America/Sao_Paulo", "02/Jan/2006:15:04:05 -0700", "25/May/2029:20:47:33 -0849", INT64_C(1874468193), 0, -31740, ""},
	{"Antarctica/Troll", "24.0PMZ07:00:001-07:00:002", "2035.0AMZ11+00:00:0020", INT64_C(-62139223500), 0, 0, "UTC"},
	{"America/Sao_Paulo", "2006-01-02 15:04:05.999 -0700 MST", "1956-01-09 01:20:57.48 +0000 -00", INT64_C(-441153543), 480000000, 0, "-00"},
	{"Antarctica/Troll", "-07 ", "+00 ", INT64_C(-62167219200), 0, 0, "-00"},
	{"UTC", "4", "51", INT64_C(-62167216140), 0, 0, "UTC"},
	{"Etc/GMT+5", "2006-01-02 15:04:05 MST", "1809-03-13 10:53:12 LMT", INT64_C(-5074492008), 0, 0, "LMT"},
	{"Australia/Sydney", "ZT", "ZT", INT64_C(-62167255492), 0, 36292, "LMT"},
	{"Antarctica/Troll", "/:05", "/:18", INT64_C(-62167219182), 0, 0, "-00"},
	{"Europe/Berlin", "00215", "19301", INT64_C(-62150630008), 0, 3208, "LMT"},
	{"Asia/Kathmandu", "1-07:00:00\303\251x.999,9pmPM", "12+05:41:16\303\251xpmPM", INT64_C(-62138252476), 0, 20476, "LMT"},
	{"Pacific/Apia", "Jan _2 15:04:05.000", "Dec 16 23:51:27.872", INT64_C(-62136938497), 872000000, 45184, "LMT"},
	{"America/New_York", "2006-01-02 15:04:05 MST", "2043-05-20 02:23:34 -05", INT64_C(2315701414), 0, 0, "-05"},
	{"Europe/Dublin", "..Z07:00:00Jan-07MondayZ0700Janet", "..-00:18:19Oct-00Saturday-0018Janet", INT64_C(-62143544520), 0, -1080, ""},
	{"UTC", "MonPMMonday-0700,999Z07:00:00.999MondayPM", "ThuAMThursday+0000ZThursdayAM", INT64_C(-62167219200), 0, 0, "UTC"},
	{"Pacific/Apia", "-070000MondayJan\303\251.999JanZ0700002Z070000", "+000000SaturdayJan\303\251.235JanZ22Z", INT64_C(-62165404800), 235000000, 0, "UTC"},
	{"Asia/Kathmandu", "Z07:00-07Z07:00", "-04:00-04-04:00", INT64_C(-62167204800), 0, -14400, ""},
	{"Pacific/Apia", "2006 __2 15:04", "2976 157 19:29", INT64_C(31759799340), 0, 46800, "+13"},
	{"Antarctica/Troll", "2006-01-02 15:04:05.999 -0700 MST", "2024-03-22 13:44:31.022 +0000 +00", INT64_C(1711115071), 22000000, 0, "+00"},
	{"America/Nuuk", "-07:00.99901", "+00:00.99912", INT64_C(-62138275200), 0, 0, ""},
	{"America/New_York", "Z0700+-0700_2\303\251x,999", "-0100+-010027\303\251x,375", INT64_C(-62164969200), 375000000, -3600, ""},
	{"Etc/GMT+5", "06", "24", INT64_C(1704085200), 0, -18000, "-05"},
	{"Africa/Casablanca", "023-070000_2x.Month.999", "1410+13450014x.Month.527", INT64_C(-62166109500), 527000000, 49500, ""},
	{"Asia/Kolkata", "x0504Janet", "x0022Janet", INT64_C(-62167239088), 0, 21208, "LMT"},
	{"UTC", "+.000000000", "+.000000000", INT64_C(-62167219200), 0, 0, "UTC"},
	{"Etc/GMT+5", "002__00203", "084__08407", INT64_C(-62160004800), 0, -18000, "-05"},
	{"America/New_York", "__2T", "343T", INT64_C(-62137652638), 0, -17762, "LMT"},
	{"Asia/Kolkata", "2006 __2 15:04", "0922 218 5:46", INT64_C(-33052925248), 0, 21208, "LMT"},
	{"Europe/Berlin", ":", ":", INT64_C(-62167222408), 0, 3208, "LMT"},
	{"America/New_York", "-070000x\303\251Monday01Janet+", "-020000x\303\251Monday11Janet+", INT64_C(-62140860000), 0, -7200, ""},
	{"Etc/GMT+5", "JanuaryJanJanet002", "JanuaryJanJanet001", INT64_C(-62167201200), 0, -18000, "-05"},
	{"Asia/Kolkata", "xJan0103", "xJul0704", INT64_C(-62151501208), 0, 21208, "LMT"},
	{"America/Caracas", ".04 ,999", ".19 ", INT64_C(-62167201996), 0, -16064, "LMT"},
	{"EST5EDT", "00TTJanx-07002.000", "00TTJanx+13453.000", INT64_C(-62167095900), 0, 49500, ""},
	{"Europe/Dublin", "x\303\251Tx-07:00:00-070000MST", "x\303\251Tx+05:30:00+053000IST", INT64_C(-62167239000), 0, 19800, "IST"},
	/* clang-format on */
};

static const struct {
	const char *layout, *text;
} refused[] = {
	/* clang-format off */
	{"__2\303\251pm", "120\303\211ABCDTPM"},
	{"Mon, 02 Jan 2006 15:04:05 MST", "Thu, 01 May 2025 22:36:39 -0204"},
	{"MSTPM_2006-07:00+GMT.00015", "EDTPM_2025-04:00+GMT.000546"},
	{"Monday, 02-Jan-06 15:04:05 MST", "tu5sday, 01-apr-25 21:04:59 edt"},
	{"02 Jan 06 15:04 MST", "13 Jun 98 14:36 +1233"},
	{"2006-002T15:04:05", "2028-252T17:06010"},
	{"Janet,0003", "Jant,3004"},
	{"Jan _2 15:04:05.000000000", "FEB EST 1 04:27:00.000000000"},
	{"-070000", "+12 1+05715gmt-24"},
	{"January5JanuaryZ07:00", "ap.123ril37april-04:56"},
	{"2006-01-02T15:04:05.000Z0700", "224-0ABCDT-15T13:33:12.145+11020240"},
	{".02,999-_2006.9991501", ".04-_202069990207"},
	{"Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 24 Jan 203feb9 21:04:02 +1100"},
	{"02 Jan 06 15:04 MST", "24 Aug 26 12:31 +1245"},
	{"Mon_22.Z07:00:00-074MST", "Wed1414.+10:36:38+1054+1036"},
	{"Jan _2 15:04:05 MST", "may 23 20:42:00 -0"},
	{"Z0700_2006__201", "+1300_20221301"},
	{"Mon Jan _2 15:04:05 MST 2006", "Sun Mar  6 22:09:17 +1345 2005"},
	{"Jan _2 15:04:05", "Ju0  7 20:13:03"},
	{"2006-002T15:04:05", "2043-334t17:05:01"},
	{"Mon Jan _2 15:04:05 2006", "Wed No 19 15:55:40 2025"},
	{"Mon, 02 Jan 2006 15:04:05 MST", "Sat, 02 Jan 2am027 13:34:21 UTC"},
	{"__T3__2Month-070000", "am6_T630UTCESTC3Month-20000"},
	{"02/Jan/2006:15:04:05 -0700", "18/Apr/2029:2GMT-242:04:0 +1300"},
	{"_.0.999", ".0"},
	{"_200200215,9-", "113PM454521-"},
	{"Monday.000+xMST", "Saturday.000+x+1245"},
	{"2006 __2 15:04", "20.12324 319 00:48"},
	{"02 Jan 06 15:04 -0700", "16 Mar 32 062024:49 +1233"},
	{"2006-01-02 15:04:05.999 -0700 MST", "2024-07-01 12:16:00 +1-03300 +13"},
	{"  02MST+", "  27+0242+"},
	{"01/02 03:04:05PM '06 -0700", "07/28 05:08:00pm 623 +0100"},
	{"2006-01-02 15:04:05.999 -0700 MST", "1976-07-14 19:32:22.604 +0330 +0330"},
	{"Z07,9_2,000-07:001:", "-03,513,544-03:005:"},
	{"_2x2006_2Z07:00:00", "2x2064 2-00UTC45:08"},
	{"Mon Jan _2 15:04:05 MST 2006", "m0n nov 10 01:04:22 -02 2025"},
	{"  .999Jan.9999999992,00002JanZ07:00:00", "  .28Sep.99999999915,00258Sep+10:00:00"},
	{"01/PMpm20102-07PM", "08/PMpm40804+00PM"},
	{"0415January06GMT04__2,000MST", "4200June23GMT42159,674+0330"},
	{",00002__GMT_-070000-07:00.000", ",00355__GMT_+05ABCDT3000+05:30.000"},
	{"2006-01-02", "2023-02-29"},
	{"2006-002", "2023-366"},
	{"2006-01-02T15:04:05Z07:00", "2023-01-01T24:00:00Z"},
	{"2006-01-02T15:04:05Z07:00", ""},
	/* clang-format on */
};

static void
test_timefmt__parses_as_go(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct str error, text = str_from(accepted[i].text);
		const struct timezone_db *zone = tz_load(arena, str_from(accepted[i].zone), &error);
		struct timefmt_time t;

		assert_non_null(zone);
		if (!timefmt_parse(timefmt_compile(arena, str_from(accepted[i].layout)), text, zone, zone, &t))
			fail_msg("%s as %s", accepted[i].text, accepted[i].layout);
		if (t.sec != accepted[i].sec || t.nsec != accepted[i].nsec || t.offset_s != accepted[i].offset_s ||
			!str_is(t.zone_name, accepted[i].name))
			fail_msg("%s as %s is %ld.%09d %d", accepted[i].text, accepted[i].layout, (long)t.sec, t.nsec, t.offset_s);
	}
	arena_free(arena);
}

static void
test_timefmt__refuses_as_go(void **state)
{
	struct arena *arena = arena_new(0);
	struct timefmt_time t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (timefmt_parse(timefmt_compile(arena, str_from(refused[i].layout)), str_from(refused[i].text), tz_utc(), tz_utc(), &t))
			fail_msg("%s as %s", refused[i].text, refused[i].layout);
	arena_free(arena);
}

static void
test_timefmt__prints_as_go(void **state)
{
	static const struct {
		const char *zone, *layout, *text;
	} cases[] = {
		{"UTC", "2006-01-02T15:04:05.999999999Z07:00", "2023-11-14T22:13:20.123Z"},
		{"Europe/Berlin", "Mon Jan _2 15:04:05.000 MST 2006 -0700", "Tue Nov 14 23:13:20.123 CET 2023 +0100"},
		{"Asia/Kolkata", "Monday January 2 __2 002 3PM pm 06 Z070000", "Wednesday November 15 319 319 3AM am 23 +053000"},
		{"America/New_York", "1/2 03:04:05,999 Z07 -07:00:00 .0 ,9", "11/14 05:13:20,123 -05 -05:00:00 .1 ,1"},
	};
	struct arena *arena = arena_new(0);
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str error;
		struct timefmt_time t = timefmt_from_ns(INT64_C(1700000000123000000), tz_load(arena, str_from(cases[i].zone), &error));

		buf_clear(&out);
		timefmt_format(timefmt_compile(arena, str_from(cases[i].layout)), &t, &out);
		(void)buf_putc(&out, '\0');
		assert_string_equal(out.data, cases[i].text);
	}
	buf_done(&out);
	arena_free(arena);
}

static void
test_timefmt__year_is_added_in_the_parsed_zone(void **state)
{
	struct arena *arena = arena_new(0);
	const struct timefmt *f = timefmt_compile(arena, STR("Jan _2 15:04:05"));
	struct str error;
	const struct timezone_db *zone = tz_load(arena, STR("Europe/Berlin"), &error);
	struct timefmt_time t;
	int64_t ns;

	(void)state;
	assert_false(timefmt_has_year(f));
	assert_true(timefmt_parse(f, STR("Jul  4 12:00:00"), zone, zone, &t));
	assert_false(timefmt_to_ns(&t, &ns));
	t = timefmt_add_years(&t, 2024);
	assert_true(timefmt_to_ns(&t, &ns));
	assert_true(ns == INT64_C(1720087200000000000));
	assert_true(timefmt_parse(f, STR("Feb 29 00:00:00"), tz_utc(), tz_utc(), &t));
	t = timefmt_add_years(&t, 2023);
	assert_int_equal(timefmt_civil(&t).month, 3);
	arena_free(arena);
}

static void
test_timefmt__zones_by_name(void **state)
{
	static const char *const unknown[] = {"Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe"};
	struct arena *arena = arena_new(0);
	struct str error;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		error = STR_EMPTY;
		assert_null(tz_load(arena, str_from(unknown[i]), &error));
		assert_true(error.len > 0);
	}
	assert_ptr_equal(tz_load(arena, STR(""), &error), tz_utc());
	assert_non_null(tz_load(arena, STR("Local"), &error));
	arena_free(arena);
}

static void
test_timefmt__any_part_of_a_zone_file_is_survived(void **state)
{
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	char data[8192];
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(data, 1, sizeof(data), file);
	(void)fclose(file);
	for (size_t i = 0; i < len; i++) {
		struct arena *arena = arena_new(0);
		const struct timezone_db *db = tz_parse(arena, STR("x"), (struct str){data, i});

		if (db != NULL)
			(void)tz_to_utc(db, INT64_C(4000000000));
		data[i] = (char)~data[i];
		db = tz_parse(arena, STR("x"), (struct str){data, len});
		if (db != NULL)
			(void)tz_to_utc(db, INT64_C(4000000000));
		data[i] = (char)~data[i];
		arena_free(arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timefmt__parses_as_go),
		cmocka_unit_test(test_timefmt__refuses_as_go),
		cmocka_unit_test(test_timefmt__prints_as_go),
		cmocka_unit_test(test_timefmt__year_is_added_in_the_parsed_zone),
		cmocka_unit_test(test_timefmt__zones_by_name),
		cmocka_unit_test(test_timefmt__any_part_of_a_zone_file_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
