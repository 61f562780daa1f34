// Journals that are long, and journals that somebody has laid hands on.
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace journal_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using weft::testing::environment;

weft::workflow<int> counts(weft::context& wf, int n)
{
    int sum = 0;
    for (int i = 0; i < n; ++i)
        sum += co_await wf.step("count", &same, 1);
    co_await wf.step("last", &nothing);
    co_return sum;
}

class Journal : public ::testing::Test
{
protected:
    Journal() : control(std::make_shared<wrapped_store::control>()), env(with_seal(control)) { env.add("counts", &counts); }

    static weft::testing::environment_options with_seal(std::shared_ptr<wrapped_store::control> c)
    {
        auto o = wrapped_store::options(std::move(c));
        o.engine.seal_at = 400;
        return o;
    }

    // Runs until the last step hangs, tampers with the row from then on, and lets another process find it.
    std::string find_tampered(std::function<void(weft::transaction&)> tamper)
    {
        env.on("last").hangs().runs();
        env.workflow<int(int)>("counts").submit("g1"_gid, 20);
        env.advance(100ms);
        parts = env.query("g1"_gid)->parts.size();
        env.crash();
        env.forget_calls();
        control->tamper = [tamper](weft::transaction& row) {
            if (row.gid == "g1")
                tamper(row);
        };
        env.finish();
        return env.query("g1"_gid)->paused_reason;
    }

    std::shared_ptr<wrapped_store::control> control;
    environment                             env;
    std::size_t                             parts = 0;
};

TEST_F(Journal, IsSealedIntoPartsWhenItIsLong)
{
    EXPECT_EQ(env.workflow<int(int)>("counts").execute("g1"_gid, 20).value(), 20);
    auto const row = *env.query("g1"_gid);
    EXPECT_GE(row.parts.size(), 3u);
    EXPECT_THAT(row.journal, StartsWith(R"({"parts":)"));
    EXPECT_LT(row.journal.size(), 800u);
}

TEST_F(Journal, InPartsIsReplayedWhole)
{
    env.on("last").hangs().runs();
    env.workflow<int(int)>("counts").submit("g1"_gid, 20);
    env.advance(100ms);
    env.crash();
    env.forget_calls();
    EXPECT_EQ(env.workflow<int(int)>("counts").execute("g1"_gid, 20).value(), 20);
    EXPECT_THAT(env.calls(), ElementsAre("last/action"));
}

TEST_F(Journal, WithAPartMissingPausesItsTransaction)
{
    auto const reason = find_tampered([](weft::transaction& row) {
        if (row.parts.size() > 1)
            row.parts.erase(row.parts.begin() + 1);
    });
    ASSERT_GE(parts, 3u);
    EXPECT_THAT(reason, StartsWith("the journal cannot be read: journal part 2 follows 2 parts with "));
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST_F(Journal, WithItsLastPartMissingPausesItsTransaction)
{
    EXPECT_THAT(find_tampered([](weft::transaction& row) {
                    if (!row.parts.empty())
                        row.parts.pop_back();
                }),
                StartsWith("the journal cannot be read: ext_data follows "));
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST_F(Journal, WithAShortPartPausesItsTransaction)
{
    EXPECT_THAT(find_tampered([](weft::transaction& row) {
                    if (!row.parts.empty())
                        row.parts[0] = R"({"journal":[]})";
                }),
                HasSubstr("but 1 parts with 0 entries are there"));
}

struct edit
{
    std::string name, journal, report;
};

class HandEditedJournal : public Journal, public ::testing::WithParamInterface<edit>
{ };

TEST_P(HandEditedJournal, PausesItsTransactionAndNoOther)
{
    auto const reason = find_tampered([](weft::transaction& row) {
        row.parts.clear();
        row.journal = GetParam().journal;
    });
    EXPECT_THAT(reason, StartsWith("the journal cannot be read: "));
    EXPECT_THAT(reason, HasSubstr(GetParam().report));
    EXPECT_THAT(env.calls(), IsEmpty());
    EXPECT_EQ(env.workflow<int(int)>("counts").execute("g2"_gid, 3).value(), 3) << "others go on";
}

INSTANTIATE_TEST_SUITE_P(
    Edits, HandEditedJournal,
    ::testing::Values(
        edit{"Empty", "", "ext_data"}, edit{"NoJson", "lorem ipsum", "ext_data is not valid JSON from byte 0 on"},
        edit{"CutShort", R"({"journal":[{"id":"01")", "ext_data"}, edit{"Trailing", R"({"journal":[]} x)", "ext_data is not valid JSON"},
        edit{"NoObject", "[]", "is not an object with an array \"journal\""},
        edit{"NoArray", R"({"journal":1})", "is not an object with an array"},
        edit{"NoEntry", R"({"journal":[7]})", "entry 1: not an object"},
        edit{"NoId", R"({"journal":[{"op":"action"}]})", "entry 1: an entry has no \"id\""},
        edit{"NoVerb", R"({"journal":[{"id":"01","op":"action","status":"succeed"}]})", "an entry has no \"verb\""},
        edit{"AnUnknownVerb", R"({"journal":[{"id":"01","verb":"do","op":"action","status":"succeed"}]})", "unknown verb \"do\""},
        edit{"AnUnknownOperation", R"({"journal":[{"id":"01","verb":"step","op":"x","status":"succeed"}]})", "unknown operation \"x\""},
        edit{"AnUnknownStatus", R"({"journal":[{"id":"01","verb":"step","op":"action","name":"a","status":"?"}]})", "unknown status \"?\""},
        edit{"ArgumentsThatAreNoText", R"({"journal":[{"id":"01","verb":"step","op":"action","name":"a","args":5,"status":"succeed"}]})",
             ""},
        edit{"ANumberAsTime", R"({"journal":[{"id":"01","verb":"step","op":"action","name":"a","at":"x","status":"succeed"}]})",
             "whole number"},
        edit{"PhaseTwoOfNothing", R"({"journal":[{"id":"01","op":"compensate","status":"succeed"}]})",
             "phase 2 of a branch 01 that was never begun"},
        edit{"TooFewEntries", R"({"journal":[]})", "0 entries, but the row stands at position 20"}),
    [](auto const& case_) { return case_.param.name; });

}  // namespace journal_test
