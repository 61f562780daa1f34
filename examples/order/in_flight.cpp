#include "in_flight.hpp"

#include "journal.hpp"
#include "text.hpp"

#include <weft/sql.hpp>

#include <limits>
#include <map>
#include <ostream>
#include <set>

namespace {

using operation_key = std::pair<std::string, std::string>;  // branch, operation

// Every effect in a database, by transaction.
void read_effects(weft::database& db, std::map<std::string, std::set<operation_key>>& to)
{
    db.read([&](soci::session& sql) {
        std::string     gid, branch, operation;
        soci::statement rows =
            (sql.prepare << "select gid, branch, operation from ledger", soci::into(gid), soci::into(branch), soci::into(operation));
        for (rows.execute(); rows.fetch();)
            to[gid].emplace(branch, operation);
    });
}

}  // namespace

standing take_stock(weft::store& transactions, shop& our)
{
    std::map<std::string, std::set<operation_key>> effects;
    for (auto* db : {&our.orders, &our.stock, &our.accounts})
        read_effects(*db, effects);

    standing s;
    for (auto const& t : transactions.list({.limit = std::numeric_limits<std::int32_t>::max()}))
    {
        switch (t.status)
        {
        case weft::status::prepared:
            ++s.running;
            break;
        case weft::status::submitted:
            ++s.committing;
            break;
        case weft::status::aborting:
            ++s.rolling_back;
            break;
        case weft::status::succeed:
            ++s.committed;
            continue;
        case weft::status::failed:
            ++s.rolled_back;
            continue;
        }
        s.paused += !t.paused_reason.empty();
        s.owned += !t.owner.empty();

        auto const with_journal = transactions.find(t.gid, true);
        if (!with_journal)
            continue;
        std::set<operation_key> sent, recorded;
        for (auto const& o : read_journal(*with_journal))
            (o.ended ? recorded : sent).emplace(o.branch, o.operation);
        for (auto const& effect : effects[t.gid])
            if (!recorded.contains(effect))
            {
                ++s.happened;
                sent.insert(effect);
            }
        s.operations += static_cast<std::int64_t>(sent.size());
    }
    return s;
}

void print_standing(std::ostream& out, standing const& s)
{
    out << padded_left(grouped(s.committed), 8) << "  committed\n"
        << padded_left(grouped(s.rolled_back), 8) << "  rolled back\n"
        << padded_left(grouped(s.unfinished()), 8) << "  unfinished";
    if (s.unfinished() == 0)
    {
        out << '\n';
        return;
    }
    out << ": " << grouped(s.running) << " running forward, " << grouped(s.committing) << " committing, " << grouped(s.rolling_back)
        << " rolling back";
    if (s.paused > 0)
        out << "; " << grouped(s.paused) << " of them paused";
    out << '\n'
        << padded_left(grouped(s.operations), 8) << "  operations under way, of which " << grouped(s.happened)
        << " have happened in the shop's databases and not yet in the journal\n";
}

void print_standing_json(std::ostream& out, standing const& s)
{
    out << R"({"committed":)" << s.committed << R"(,"rolled_back":)" << s.rolled_back << R"(,"unfinished":)" << s.unfinished()
        << R"(,"running":)" << s.running << R"(,"committing":)" << s.committing << R"(,"rolling_back":)" << s.rolling_back
        << R"(,"paused":)" << s.paused << R"(,"owned":)" << s.owned << R"(,"operations":)" << s.operations << R"(,"happened":)"
        << s.happened << "}\n";
}
