// The pure program, cell by cell: where it stands × what it is told. Each cell says what it wants then, or that this cannot come.
#include "workflow/program/in_store.hpp"
#include "workflow/program/workflow_program.hpp"

#include <weft/workflow.hpp>

#include <gtest/gtest.h>

#include <functional>

namespace program_table_test {

namespace detail = weft::detail;
using detail::event;
using detail::plan;
using weft::context;
using weft::outcome;
using weft::workflow;
using kind = event::kind;

int  reserve() { return 1; }
void settle() { }

workflow<void> reserves(context& wf) { co_await wf.tcc("reserve", &reserve, &settle, &settle); }

// A program with one branch that is tried and confirmed, and the attempt that it would have.
class stand final : private detail::program_host
{
public:
    stand() : made_(detail::make_program(&reserves)), program_(*this, limits_, gid_)
    {
        program_.begin(0);
        program_.prepare(*made_, {});
    }

    // In words, what the program wants; what is to be written is being written after it.
    std::string tell(event e)
    {
        plan p;
        e.now = ++now_;
        sent_ = sent_ && e.what != kind::answered && e.what != kind::overdue && e.what != kind::not_sent;
        program_.on(std::move(e), p);
        if (p.park && p.park->paused_reason.starts_with("an event that cannot come"))
            return "cannot come";
        std::string all;
        auto const  add = [&](std::string const& word) { all += (all.empty() ? "" : ", ") + word; };
        for (auto const& s : p.send)
        {
            sent_ = true;
            add(s.here ? "store does" : "send " + std::string(to_string(program_.at(s.of).op)));
            if (s.here)
                here_write_ = program_.here(s.of);
        }
        if (p.write)
        {
            under_write_ = program_.record();
            auto const& w = *under_write_;
            add(w.finish                                           ? "write end"
                : w.decide == weft::extend_write::decision::commit ? "write commit"
                : w.decide != weft::extend_write::decision::none   ? "write roll back"
                                                                   : "write facts");
        }
        if (!p.wake_at.empty())
            add("wake");
        if (p.park)
            add(p.park->paused_reason.empty() ? "park" : "pause");
        return all.empty() ? "-" : all;
    }

    std::string durable()
    {
        auto w = std::exchange(under_write_, std::nullopt);
        return tell({.what = kind::durable, .write = w ? &*w : nullptr});
    }
    std::string refused()
    {
        auto w = std::exchange(under_write_, std::nullopt);
        auto here = std::exchange(here_write_, nullptr);
        return tell({.what = kind::not_written, .said = outcome::error("too long"), .write = here ? &here->pending() : w ? &*w : nullptr});
    }

    std::string met_cancel()
    {
        if (!under_write_)
            return tell({.what = kind::not_written, .met_cancel = true});
        auto said = tell({.what = kind::not_written, .write = &*under_write_, .met_cancel = true});
        return said == "-" && under_write_->decide == weft::extend_write::decision::roll_back ? "writes roll back" : said;
    }

    // As an operation that the store does: what it rests on, and its fact.
    std::string done_here()
    {
        auto w = std::exchange(here_write_, nullptr);
        return tell({.what = kind::done_here, .said = outcome::success("1"), .write = w ? &w->pending() : nullptr});
    }

    // Whether what it was told could not come: then it pauses when nothing is under way any more.
    bool pauses_once_it_is_answered() { return sent_ && answer_in_store(outcome::error("down")) == "cannot come"; }

    std::string answer(outcome o) { return tell({.what = kind::answered, .said = std::move(o)}); }
    std::string answer_in_store(outcome o)
    {
        auto w = std::exchange(here_write_, nullptr);
        return tell({.what = kind::answered, .said = std::move(o), .write = w ? &w->pending() : nullptr});
    }

    std::optional<bool> here_ = false;

private:
    std::optional<bool> done_by_store(detail::slot, detail::branch_call const&, weft::operation) override { return here_; }
    double              jitter() override { return 0; }

    detail::program_limits            limits_{.payload = 1000, .seal_at = 1'000'000, .retry = {}};
    std::string                       gid_ = "g1";
    std::unique_ptr<detail::program>  made_;
    detail::workflow_program          program_;
    std::int64_t                      now_ = 0;
    std::optional<weft::extend_write> under_write_;
    std::unique_ptr<detail::in_store> here_write_;
    bool                              sent_ = false;
};

struct told
{
    char const*                        name;
    std::function<std::string(stand&)> what;
};
std::vector<told> events()
{
    return {
        {"begun", [](stand& s) { return s.tell({}); }},
        {"answered: success", [](stand& s) { return s.answer_in_store(outcome::success("1")); }},
        {"answered: failure", [](stand& s) { return s.answer_in_store(outcome::failure("no")); }},
        {"answered: error", [](stand& s) { return s.answer_in_store(outcome::error("down")); }},
        {"overdue", [](stand& s) { return s.tell({.what = kind::overdue, .said = outcome::error("late")}); }},
        {"not sent", [](stand& s) { return s.tell({.what = kind::not_sent}); }},
        {"due", [](stand& s) { return s.tell({.what = kind::due}); }},
        {"durable", [](stand& s) { return s.durable(); }},
        {"done here", [](stand& s) { return s.done_here(); }},
        {"cancel", [](stand& s) { return s.tell({.what = kind::cancel}); }},
        {"stop", [](stand& s) { return s.tell({.what = kind::stop}); }},
        {"refused", [](stand& s) { return s.refused(); }},
        {"met cancel", [](stand& s) { return s.met_cancel(); }},
        {"fenced", [](stand& s) { return s.tell({.what = kind::not_written}); }},
        {"changed", [](stand& s) { return s.tell({.what = kind::changed}); }},
    };
}

struct standing
{
    char const*                 name;
    std::function<void(stand&)> go_there;
    std::vector<char const*>    cells;  // for each event
};

void begin(stand& s) { s.tell({}); }
void send(stand& s)
{
    begin(s);
    s.durable();
}
void wait_to_ask_again(stand& s)
{
    send(s);
    s.answer(outcome::error("down"));
}
void decide(stand& s)
{
    send(s);
    s.answer(outcome::success("1"));
}
void confirm(stand& s)
{
    decide(s);
    s.durable();
}
void wait_to_confirm_again(stand& s)
{
    confirm(s);
    s.answer(outcome::error("down"));
}
void end(stand& s)
{
    confirm(s);
    s.answer(outcome::success(""));
}
void park(stand& s)
{
    wait_to_ask_again(s);
    s.tell({.what = kind::stop});
}
void find_out(stand& s)
{
    s.here_ = std::nullopt;
    begin(s);
    s.here_ = false;
}
void let_the_store_do_it(stand& s)
{
    s.here_ = true;
    begin(s);
}

std::vector<standing> places()
{
    constexpr auto no = "cannot come";
    return {
        {"not begun", [](stand&) {}, {"write facts", no, no, no, no, no, no, no, no, "-", "-", no, no, no, "-"}},
        {"its intent is being written", begin, {no, no, no, no, no, no, "-", "send try", no, "-", "-", "pause", no, "-", "-"}},
        {"its try is under way", send, {no, "write commit", "write end", "wake", "park", "-", "-", no, no, "-", "-", no, no, no, "-"}},
        {"it waits to ask again",
         wait_to_ask_again,
         {no, no, no, no, no, no, "send try", no, no, "write roll back", "park", no, no, no, "-"}},
        {"the decision is being written",
         decide,
         {no, no, no, no, no, no, "-", "send confirm", no, "-", "-", "pause", "writes roll back", "-", "-"}},
        {"its confirm is under way",
         confirm,
         {no, "write end", "write facts, pause", "wake", "park", "-", "-", no, no, "-", "-", no, no, no, "-"}},
        {"it waits to confirm again",
         wait_to_confirm_again,
         {no, no, no, no, no, no, "send confirm", no, no, "-", "park", no, no, no, "-"}},
        {"the end is being written", end, {no, no, no, no, no, no, "-", "-", no, "-", "-", "pause", no, "-", "-"}},
        {"parked", park, {no, no, no, no, no, no, "-", no, no, "-", "-", no, no, "-", "-"}},
        {"the host finds out who does it", find_out, {no, no, no, no, no, no, "write facts", no, no, "write end", "park", no, no, no, "-"}},
        {"the store does it",
         let_the_store_do_it,
         {no, "write commit", "write end", "wake", "park", "-", "-", no, "write commit", "-", "-", "pause", no, "-", "-"}},
    };
}

TEST(ProgramTable, EachCellIsAsItSays)
{
    for (auto const& p : places())
    {
        auto const all = events();
        ASSERT_EQ(p.cells.size(), all.size()) << p.name;
        for (std::size_t i = 0; i < all.size(); ++i)
        {
            stand s;
            p.go_there(s);
            auto       said = all[i].what(s);
            bool const unanswered = said == "-" && std::string_view(all[i].name) != "not sent";
            if (unanswered && s.pauses_once_it_is_answered())
                said = "cannot come";
            EXPECT_EQ(said, p.cells[i]) << p.name << " × " << all[i].name;
        }
    }
}

}  // namespace program_table_test
