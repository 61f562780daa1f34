// Journals exported from a running system, replayed against the code of today. The files in journals/ are golden: WEFT_WRITE_JOURNALS=1
// writes them anew.
#include "tests/unit/workshop.hpp"

#include <weft/testing/replay.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace exported_journal_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using weft::testing::environment;
using weft::testing::replay;
using verdict = weft::testing::replay_result::verdict;

struct order
{
    std::string id;
    int         quantity = 1;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, quantity))

void place(order) { }
int  price(order o) { return 100 * o.quantity; }

// Version 1 is the one that has left the journals.
weft::workflow<int> place_order(weft::context& wf, deployed& d, order o)
{
    co_await wf.saga("create-order", &place, &place, o);
    if (d.version == 2)
        co_await wf.step("check-credit", &place, o);
    if (d.version == 3)
        co_return 0;
    if (d.version == 4)
        throw std::runtime_error("a bug");
    auto const cents = co_await wf.tcc("reserve", &price, &place, &place, o);
    if (d.version == 5)
        co_return cents + 1;
    if (d.version == 6)
        throw weft::failure("not any more");
    if (o.quantity > 5)
        throw weft::failure("too many");
    co_await wf.step("notify", &place, o);
    if (d.version == 7)
        co_await wf.step("and-again", &place, o);
    co_return cents;
}

std::filesystem::path file(std::string const& name) { return std::filesystem::path(WEFT_JOURNALS) / (name + ".json"); }

// What production has left: made by running it.
weft::transaction made(std::string const& name)
{
    weft::testing::environment_options options;
    if (name == "sealed")
        options.engine.seal_at = 200;
    deployed    d;
    environment env(options);
    auto const  flow = env.add("place-order", &place_order, std::ref(d));
    order const wanted{"o-4711", name == "rolled-back" ? 7 : 2};
    if (name == "under-way")
        env.on("reserve").hangs();
    if (name == "cancelled")
        env.on("reserve").is_ongoing();
    flow.submit("order-4711"_gid, wanted);
    env.advance(1s);
    if (name == "cancelled")
        env.cancel("order-4711"_gid);
    env.advance(1s);
    return *env.query("order-4711"_gid);
}

class ExportedJournal : public ::testing::TestWithParam<std::string>
{ };

TEST_P(ExportedJournal, LooksAsItDid)
{
    auto const text = weft::testing::export_journal(made(GetParam()));
    if (std::getenv("WEFT_WRITE_JOURNALS"))
        std::ofstream(file(GetParam())) << text;
    std::ifstream     in(file(GetParam()));
    std::stringstream golden;
    golden << in.rdbuf();
    EXPECT_EQ(text, golden.str());
}

TEST_P(ExportedJournal, ComesBackAsItWent)
{
    auto const t = made(GetParam()), back = weft::testing::import_journal(weft::testing::export_journal(t));
    EXPECT_EQ(back.gid, t.gid);
    EXPECT_EQ(back.workflow, t.workflow);
    EXPECT_EQ(back.status, t.status);
    EXPECT_EQ(back.position, t.position);
    EXPECT_EQ(back.input, t.input);
    EXPECT_EQ(back.result, t.result);
    EXPECT_EQ(back.reason, t.reason);
    EXPECT_EQ(back.created, t.created);
    EXPECT_EQ(back.journal, t.journal);
    EXPECT_EQ(back.parts, t.parts);
}

TEST_P(ExportedJournal, FitsTheCodeThatMadeIt)
{
    deployed   d;
    auto const replayed = replay(file(GetParam()), &place_order, std::ref(d));
    EXPECT_TRUE(replayed.matches()) << replayed;
    EXPECT_EQ(replayed.what, GetParam() == "under-way" || GetParam() == "cancelled" ? verdict::asks_for_more : verdict::complete)
        << replayed;
}

INSTANTIATE_TEST_SUITE_P(Of, ExportedJournal, ::testing::Values("committed", "rolled-back", "under-way", "cancelled", "sealed"),
                         [](auto const& of) {
                             auto name = of.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

weft::testing::replay_result with_version(int version, std::string const& name)
{
    deployed d;
    d.version = version;
    return replay(file(name), &place_order, std::ref(d));
}

TEST(ReplayOfAFile, ReportsAMismatchAsThePauseWould)
{
    auto const r = with_version(2, "committed");
    EXPECT_EQ(r.what, verdict::mismatch);
    EXPECT_FALSE(r.matches());
    EXPECT_THAT(
        without_digests(r.report),
        StartsWith("replay does not match the journal: branch 02 was recorded as tcc \"reserve\" with arguments DIGEST, the workflow now "
                   "asks for branch 02, step \"check-credit\" with arguments DIGEST (exported_journal_test.cpp:"));
    EXPECT_THAT(r.report, HasSubstr("; 1 of 3 recorded branches matched"));
}

TEST(ReplayOfAFile, ReportsUnreadEntries)
{
    auto const r = with_version(3, "committed");
    EXPECT_EQ(r.what, verdict::mismatch);
    EXPECT_THAT(r.report, HasSubstr("the workflow ended without asking for branch 02"));
}

TEST(ReplayOfAFile, ReportsWhatTheBodyThrows)
{
    auto const r = with_version(4, "under-way");
    EXPECT_EQ(r.what, verdict::threw);
    EXPECT_EQ(r.report, "the body threw: a bug");
}

TEST(ReplayOfAFile, ReportsAnotherResult)
{
    weft::transaction t = made("committed");
    t.result = "7";
    deployed   d;
    auto const r = replay(t, &place_order, std::ref(d));
    EXPECT_EQ(r.what, verdict::another_end);
    EXPECT_EQ(r.report, "the workflow now returns another result");
}

TEST(ReplayOfAFile, ReportsAnotherDecision)
{
    auto const r = with_version(5, "rolled-back");
    EXPECT_EQ(r.what, verdict::another_end);
    EXPECT_EQ(r.report, "it was recorded as rolled back, the workflow now commits");
    EXPECT_EQ(with_version(6, "rolled-back").report, "the workflow now rolls back for another reason");
}

TEST(ReplayOfAFile, SaysWhatComesNext)
{
    auto const under_way = with_version(1, "under-way");
    EXPECT_TRUE(under_way.matches());
    EXPECT_EQ(under_way.report, "branch 02 \"reserve\"");
    auto const committed = with_version(7, "committed");
    EXPECT_EQ(committed.what, verdict::asks_for_more);
    EXPECT_FALSE(committed.matches()) << "a commit is final";
    EXPECT_EQ(committed.report, "branch 04 \"and-again\"");
}

TEST(ReplayOfAFile, SaysWhatIsWrongWithTheFile)
{
    auto const wrong = [](std::string const& text) {
        try
        {
            weft::testing::import_journal(text);
        }
        catch (weft::misuse const& e)
        {
            return std::string(e.what());
        }
        return std::string();
    };
    EXPECT_EQ(wrong("[]"), "not an exported journal: not an object");
    EXPECT_EQ(wrong("{}"), "not an exported journal: \"gid\" is missing");
    EXPECT_THAT(wrong("{"), StartsWith("not valid JSON"));
    EXPECT_EQ(wrong(R"({"gid":1})"), "not an exported journal: \"gid\" is no text");
    deployed d;
    EXPECT_THROW(replay("/nowhere/journal.json", &place_order, std::ref(d)), weft::misuse);
}

}  // namespace exported_journal_test
