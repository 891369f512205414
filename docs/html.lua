-- Links between our pages lead to the pages made of them.
function Link(link)
    if not link.target:match("^%a+:") then
        for _, kind in ipairs({"%.md", "%.pandoc"}) do
            link.target = link.target:gsub(kind .. "$", ".html")
                :gsub(kind .. "#", ".html#")
        end
    end
    return link
end
