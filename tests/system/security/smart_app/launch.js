// An EHR brings iss and launch; alone, only the place of the server is known, and a patient is asked for.
const { searchParams } = new URL(location.href);
const alone = searchParams.get("server");
FHIR.oauth2.authorize({
  clientId: "app",
  redirectUri: "index.html",
  scope: `${alone ? "launch/patient" : "launch"} openid fhirUser offline_access patient/*.rs`,
  ...(alone ? { iss: alone } : {}),
});
