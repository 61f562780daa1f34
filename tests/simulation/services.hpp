// Services behind addresses, as branches of dtm's patterns have them: with a real barrier and a ledger, and as unreliable as the dice say.
#pragma once

#include "tests/simulation/play.hpp"

#include <weft/remote.hpp>
#include <weft/store.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace simulation {

class services final : public weft::remote_caller
{
public:
    explicit services(std::uint64_t seed) : dice_(seed) { }

    void start(weft::remote_operation const& o, weft::operation_call to) override
    {
        using weft::outcome;
        auto const roll = dice_.below(12);
        if (o.op == "msg")  // whether it was meant
            return std::move(to).answer(roll < 4   ? outcome::success()
                                        : roll < 8 ? outcome::failure("it was not meant")
                                                   : outcome::error("down"));
        switch (roll)
        {
        case 0:
            return std::move(to).answer(outcome::error("down"));
        case 1:
            perform(to.where().gid, to.where().id, o);
            return std::move(to).answer(outcome::error("the answer was lost"));
        case 2:
            return std::move(to).answer(outcome::ongoing("later"));
        case 3:
            if (o.trans_type == "saga" && o.op == "action" && !barrier_.contains({to.where().gid, to.where().id, o.op}))
                return std::move(to).answer(outcome::failure("no"));
            break;
        default:
            break;
        }
        auto said = perform(to.where().gid, to.where().id, o);
        std::move(to).answer(std::move(said));
    }

    // What is wrong, once everything has ended. `rows`: with their operations.
    std::vector<std::string> audit(std::vector<weft::transaction> const& rows) const
    {
        std::vector<std::string> wrong;
        for (auto const& row : rows)
            for (auto const& op : row.ops)
            {
                bool const well = row.status == weft::status::succeed;
                auto const times = [&](char const* what) {
                    auto const found = ledger_.find({row.gid, op.branch_id, what});
                    return found == ledger_.end() ? 0 : found->second;
                };
                bool const right = row.trans_type == "tcc" ? times("confirm") == (well ? 1 : 0) && times("cancel") == (well ? 0 : 1)
                                   : well                  ? times("action") == 1 && times("compensate") == 0
                                                           : times("action") == times("compensate") && times("action") <= 1;
                if (!right)
                    wrong.push_back(row.gid + ' ' + op.branch_id + " of a " + row.trans_type + " that ended as " +
                                    std::string(to_string(row.status)) + ": " + std::to_string(times("action")) + " actions, " +
                                    std::to_string(times("compensate")) + " compensations, " + std::to_string(times("confirm")) +
                                    " confirmations, " + std::to_string(times("cancel")) + " cancellations");
            }
        return wrong;
    }

private:
    using key = std::tuple<std::string, std::string, std::string>;  // gid, branch, operation

    weft::outcome perform(std::string const& gid, std::string const& branch, weft::remote_operation const& o)
    {
        bool const undoes_nothing = o.op == "compensate" && barrier_.try_emplace({gid, branch, "action"}, o.op).second;
        auto const [mark, is_first] = barrier_.try_emplace({gid, branch, o.op}, o.op);
        if (!is_first)
            return mark->second == o.op ? weft::outcome::success() : weft::outcome::failure("it was undone");
        if (!undoes_nothing)
            ++ledger_[{gid, branch, o.op}];
        return weft::outcome::success();
    }

    dice                       dice_;
    std::map<key, std::string> barrier_;  // who inserted it
    std::map<key, int>         ledger_;   // what really happened
};

}  // namespace simulation
