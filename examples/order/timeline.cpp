#include "timeline.hpp"

#include "journal.hpp"
#include "order.hpp"
#include "text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include <ostream>
#include <utility>

namespace {

using ending = recorded_operation::ending;

// What the transaction was about, and what came of it.
void print_business(std::ostream& out, weft::transaction const& t)
{
    boost::json::error_code ec;
    auto const              input = boost::json::parse(t.input, ec);
    if (!ec)
        if (auto const o = boost::json::try_value_to<order>(input))
            out << "  " << o->customer << " orders " << o->quantity << " x " << o->article << " for " << money(o->cents) << '\n';
    auto const result = boost::json::parse(t.result, ec);
    if (!ec && t.status == weft::status::succeed)
        if (auto const r = boost::json::try_value_to<receipt>(result))
            out << "  receipt " << grouped(r->number) << ", " << money(r->cents) << " charged\n";
}

class table
{
public:
    table(std::ostream& out, weft::transaction const& t) : out_(out), t_(t), dash_(unicode() ? "–" : "-") { }

    void event(std::string const& what, instant when) { line(when, what); }

    void row(recorded_operation const& o)
    {
        std::string took;
        if (o.intended && o.ended)
            took = span(std::chrono::duration_cast<std::chrono::milliseconds>(*o.ended - *o.intended));
        line(o.ended ? *o.ended : *o.intended,
             o.branch + "  " + padded(o.name, 14) + ' ' + padded(o.operation, 11) + padded_left(took, 7) + "  " + outcome_of(o));
    }

    void decision(std::string const& what)
    {
        out_ << std::string(14, ' ') << dash_ << dash_ << ' ' << what << ' ' << dash_ << dash_ << '\n';
    }

private:
    static std::string outcome_of(recorded_operation const& o)
    {
        switch (o.how)
        {
        case ending::none:
            return "sent, and no answer recorded";
        case ending::success:
            return "success";
        case ending::failure:
            return (o.in_phase_2() ? "refused: " : "failure: ") + o.reason + (o.maybe ? " (but may have happened before)" : "");
        }
        return "?";
    }
    void line(instant when, std::string const& what)
    {
        auto const since = std::chrono::duration_cast<std::chrono::milliseconds>(when - t_.created);
        out_ << padded_left("+" + span(since), 12) << "  " << what << '\n';
    }

    std::ostream&            out_;
    weft::transaction const& t_;
    std::string              dash_;
};

}  // namespace

void print_timeline(std::ostream& out, weft::transaction const& t)
{
    auto const operations = read_journal(t);

    out << t.gid << ": " << state_of(t) << '\n';
    print_business(out, t);
    out << '\n';

    table rows(out, t);
    rows.event("begun " + clock_time(t.created), t.created);
    bool const decided = t.status != weft::status::prepared;
    bool const commits = t.status == weft::status::submitted || t.status == weft::status::succeed;
    auto const decision = [&] { rows.decision(commits ? "decision: commit" : "decision: roll back, " + t.reason); };
    bool       told = false;
    for (auto const& o : operations)
    {
        if (o.in_phase_2() && !std::exchange(told, true))
            decision();
        rows.row(o);
    }
    if (decided && !told)
        decision();
    if (is_final(t.status))
        rows.event(state_of(t), t.updated);
    else
    {
        if (!t.owner.empty())
            out << "  held by engine " << t.owner << " (if that is gone, the next one goes on)\n";
        if (!t.paused_reason.empty())
            out << "  paused: " << t.paused_reason << "\n  `order resume " << t.gid << "` goes on when that has been put right\n";
        if (t.cancel_requested)
            out << "  somebody asked to cancel it\n";
        if (t.attempts > 0)
            out << "  " << counted(t.attempts, "attempt") << " since its last entry\n";
        if (!t.last_error.empty())
            out << "  last error: " << t.last_error << '\n';
    }
}
