#include "journal.hpp"

#include <boost/json/parse.hpp>

#include <map>
#include <stdexcept>

namespace {

class reader
{
public:
    void part(std::string const& text)
    {
        auto const document = boost::json::parse(text);
        for (auto const& e : document.at("journal").as_array())
            entry(e.as_object());
    }
    std::vector<recorded_operation> done() && { return std::move(operations_); }

private:
    static std::string text(boost::json::object const& o, char const* key)
    {
        auto const* v = o.if_contains(key);
        return v && v->is_string() ? std::string(v->get_string()) : std::string();
    }

    void entry(boost::json::object const& e)
    {
        auto const id = text(e, "id");
        auto const op = text(e, "op");
        // The first entry of a branch says its name and verb.
        auto& [verb, name] = branches_[id];
        if (e.contains("name"))
        {
            verb = text(e, "verb");
            name = text(e, "name");
        }
        auto const [found, is_new] = index_.try_emplace({id, op}, operations_.size());
        if (is_new)
        {
            auto& made = operations_.emplace_back();
            made.branch = id;
            made.verb = verb;
            made.name = name;
            made.operation = op;
        }
        auto&         o = operations_[found->second];
        instant const at{std::chrono::milliseconds(e.at("at").to_number<std::int64_t>())};
        auto const    status = text(e, "status");
        if (status == "prepared")
        {
            o.intended = at;
            return;
        }
        o.ended = at;
        o.how = status == "succeed" ? recorded_operation::ending::success : recorded_operation::ending::failure;
        o.reason = text(e, "reason");
        o.maybe = e.contains("maybe");
    }

    std::vector<recorded_operation>                            operations_;
    std::map<std::pair<std::string, std::string>, std::size_t> index_;
    std::map<std::string, std::pair<std::string, std::string>> branches_;
};

}  // namespace

std::vector<recorded_operation> read_journal(weft::transaction const& t)
{
    reader r;
    try
    {
        for (auto const& part : t.parts)
            r.part(part);
        r.part(t.journal);
    }
    catch (std::exception const& e)
    {
        throw std::runtime_error("the journal of " + t.gid + " cannot be read: " + e.what());
    }
    return std::move(r).done();
}
