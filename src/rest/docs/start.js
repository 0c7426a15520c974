// A file of its own, for the page's policy allows no script within it.
window.ui = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  // Its default asks a server of its makers whether the document is valid.
  validatorUrl: null,
});
