// A write whose answer was lost and that was not applied, while somebody else's write moved the position: it must not pass for ours (I5).
#include "tests/unit/branches.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace in_doubt_test {

using namespace std::chrono_literals;
using namespace workshop;
using ::testing::ElementsAre;
using weft::status;

class InDoubt : public ::testing::Test
{
protected:
    std::shared_ptr<wrapped_store::control> control = std::make_shared<wrapped_store::control>();
    managed                                 m{wrapped_store::options(control)};
};

// A client registers a branch, which counts one, just when the engine's end of a transaction that timed out, which counts one, is lost on its way.
TEST_F(InDoubt, ADecisionThatWasLostIsNotTakenForMadeBecauseABranchWasRegistered)
{
    m.prepare(of_type("tcc", "g1", R"({"timeout_to_fail":10})"));
    weft::branch_op op;
    op.branch_id = "01";
    op.op = "cancel";
    op.url = "stock";
    bool lost = false;
    control->seen = [&](weft::write const& w) {
        auto const* const r = std::get_if<weft::record_write>(&w);
        if (!r || !r->to || lost)
            return;
        lost = true;
        weft::write const registration(weft::register_write{"g1", {op}});
        ASSERT_EQ(m.env.store().apply(std::span(&registration, 1), false).front().what, weft::written::done);
        throw weft::store_error("the answer was lost", weft::store_error::certainty::in_doubt);
    };
    m.env.advance(1min);
    m.env.finish();
    EXPECT_TRUE(lost);
    EXPECT_THAT(m.at.seen(), ElementsAre("01 cancel stock")) << "it was registered, and is never undone";
    EXPECT_EQ(m.row("g1").status, status::failed);
}

}  // namespace in_doubt_test
